from tiny_lorify import Reader

from lorify.evaluation.suites.facts import FactsSuite, ManySuite


def test_another_seed_gives_other_documents():
    assert FactsSuite(documents=1).build(Reader()) != FactsSuite(documents=1, seed=1).build(Reader())


def test_a_long_document_has_several_pages_of_facts():
    (page,) = FactsSuite(documents=1).build(Reader())
    (long,) = FactsSuite(documents=1, pages=5, questions=20).build(Reader())
    assert len(page.documents) == len(long.documents) == 1
    assert len(long.documents[0].split()) > 3 * len(page.documents[0].split())
    assert len(long.questions) == 20


def test_many_questions_are_about_one_document():
    (case,) = ManySuite(documents=1, questions=40).build(Reader())
    assert len(case.documents) == 1 and len(case.questions) == 40


def test_passages_are_joined_until_they_have_enough_questions(questions_path):
    cases = ManySuite(documents=2, questions=5, path=questions_path).build(Reader())
    assert [len(case.questions) for case in cases] == [5, 5]
    for case in cases:
        assert all(f"Passage {question.text[9]}." in case.documents[0] for question in case.questions)
