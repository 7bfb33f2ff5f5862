from tiny_lorify import Reader

from lorify.evaluation.suites.agreement import AgreementSuite


def test_the_answers_of_the_bare_base_are_the_reference():
    cases = AgreementSuite(documents=2, prompts=5).build(Reader())
    assert sum(len(case.questions) for case in cases) == 5
    assert {q.answers for case in cases for q in case.questions} == {("hm",)}
    assert all(case.answers_are_the_bases for case in cases)
