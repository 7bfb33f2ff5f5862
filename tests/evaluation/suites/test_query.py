from tiny_lorify import Reader

from lorify.evaluation.suites.query import INTERNALIZED_REQUEST, InternalizedQuerySuite


def test_an_internalized_question_is_in_the_document_and_the_prompt_only_requests_the_answer():
    asked, internalized = InternalizedQuerySuite(documents=1, questions=1).build(Reader())
    assert internalized.questions[0].text == INTERNALIZED_REQUEST
    assert asked.questions[0].text in internalized.documents[0]
    assert asked.questions[0].text not in asked.documents[0]
    assert asked.questions[0].answers == internalized.questions[0].answers
