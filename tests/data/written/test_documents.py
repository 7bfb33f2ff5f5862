"""What training relies on: written documents have their answers in their words."""

from lorify.data.answers import YES_OR_NO
from lorify.data.written.documents import written_documents


def test_every_answer_stands_in_its_document_or_is_a_verdict():
    for document in written_documents():
        (text,) = document.documents
        answers = [answer for question in document.questions for answer in question.answers]
        assert [answer for answer in answers if answer not in text and answer not in YES_OR_NO] == []


def test_documents_have_questions_of_all_forms():
    questions = [question for document in written_documents() for question in document.questions]
    unanswerable = [question for document in written_documents() for question in document.unanswerable]
    assert {bool(question.turns) for question in questions} == {True, False}
    assert {" > " in question for question in unanswerable} == {True, False}
    assert set(YES_OR_NO) <= {question.answers[0] for question in questions}


def test_a_follow_up_is_not_answered_with_the_answer_before_it():
    in_chats = [each for document in written_documents() for each in document.questions if each.turns]
    repeated = [each for each in in_chats if each.turns[-1][1] == each.answers[0] and each.answers[0] not in YES_OR_NO]
    assert repeated == []
