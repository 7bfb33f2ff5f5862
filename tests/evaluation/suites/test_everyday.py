from collections import Counter

import pytest
from tiny_lorify import Reader

from lorify.data.answers import NOT_STATED, contains_answer
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.suites.everyday import DATA_PATH, KIND_METRICS
from lorify.evaluation.suites.registry import parse_suite


@pytest.fixture(scope="module")
def cases():
    return parse_suite("everyday").build(Reader())


def test_it_is_as_large_as_it_has_to_be_and_small_enough_to_ship(cases):
    kinds = Counter(case.id.rpartition("-")[0] for case in cases)
    assert len(cases) >= 40 and len(kinds) >= 10
    questions = Counter(question.kind for case in cases for question in case.questions)
    assert questions.total() >= 300 and set(questions) == set(KIND_METRICS)
    assert DATA_PATH.stat().st_size < 1_000_000


def test_a_part_of_it_has_documents_of_all_kinds():
    part = parse_suite("everyday:documents=10").build(Reader())
    assert len({case.id.rpartition("-")[0] for case in part}) == 10


def test_the_expected_answers_get_full_marks(cases):
    for question in (question for case in cases for question in case.questions):
        whole = ", ".join(question.answers) if question.metric in ("listed", "key_points") else question.answers[0]
        assert score_answer(question.metric, whole, question.answers) == 1.0, question


def test_the_documents_state_the_answers(cases):
    literal = ("short", "quantity", "choice", "sentence")
    for case in cases:
        for question in case.questions:
            if question.kind in literal:
                assert contains_answer(case.documents[0], question.answers), question
            if question.kind == "absent":
                assert question.answers == (NOT_STATED,)
