import pytest
from tiny_lorify import Reader

from lorify.data.answers import contains_answer
from lorify.evaluation.suites.registry import parse_suite

FORMS = {"markdown", "csv", "headings", "code", "values"}


@pytest.fixture(scope="module")
def cases():
    return parse_suite("tables").build(Reader())


def test_each_table_is_asked_the_same_in_its_form_and_in_sentences(cases):
    by_condition = {}
    for case in cases:
        by_condition.setdefault(case.condition, []).append(case)
    assert {condition for condition in by_condition if not condition.endswith("in sentences")} == FORMS
    for form in FORMS:
        for table, sentences in zip(by_condition[form], by_condition[f"{form} in sentences"], strict=True):
            assert table.reference == sentences.condition and not sentences.reference
            assert table.documents != sentences.documents
            asked, again = ([(q.text, q.answers) for q in case.questions] for case in (table, sentences))
            assert asked == again and len(set(asked)) == len(asked)


def test_both_forms_state_every_answer(cases):
    for case in cases:
        for question in case.questions:
            assert contains_answer(case.documents[0], question.answers), (case.id, question)


def test_a_part_of_it_has_all_forms():
    part = parse_suite("tables:tables=5:questions=1").build(Reader())
    assert {case.condition for case in part if case.reference} == FORMS
