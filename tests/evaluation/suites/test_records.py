import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from tiny_lorify import Reader

from lorify.base.constrained_decoding import ValueChecker
from lorify.base.constraints import json_constraint
from lorify.data.answers import contains_answer
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.reports.summaries import summarize
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.suites.records import DATA_PATH, KINDS, answer_schema
from lorify.evaluation.suites.registry import parse_suite

DOCUMENTS = json.loads(DATA_PATH.read_text())["documents"]
REQUESTS = [(document, request) for document in DOCUMENTS for request in document["requests"]]
FIELDS = [(document["text"], field) for document, request in REQUESTS for field in request["fields"]]


@pytest.fixture(scope="module")
def cases():
    return parse_suite("records").build(Reader())


def test_it_has_enough_documents_requests_and_fields_of_every_kind(cases):
    kinds = Counter(question.kind for case in cases for question in case.questions)
    assert set(kinds) == set(KINDS) and min(kinds.values()) >= 9 and kinds.total() == len(FIELDS) >= 140
    assert len(cases) >= 24 and len({case.id.rpartition("-")[0] for case in cases}) >= 10
    assert all(80 <= len(document["text"].split()) <= 160 for document in DOCUMENTS)
    sizes = Counter(len(request["fields"]) for _, request in REQUESTS)
    assert len(REQUESTS) >= 72 and min(sizes[1], sizes[2]) >= 24 and sizes.total() - sizes[1] - sizes[2] >= 24
    assert all(request["request"].endswith("?") for _, request in REQUESTS if len(request["fields"]) <= 2)


def test_a_part_of_it_has_documents_of_all_kinds():
    part = parse_suite("records:documents=14").build(Reader())
    assert len({case.id.rpartition("-")[0] for case in part}) == 14


def test_what_is_right_matches_the_schema_of_the_whole_answer():
    tokens = Reader().base.grammar_tokens
    for _, request in REQUESTS:
        names = [field["name"] for field in request["fields"]]
        assert len(set(names)) == len(names)
        checker = ValueChecker(json_constraint(answer_schema(request["fields"])), tokens)
        for number in range(max(len(field["answers"]) for field in request["fields"])):
            answer = {
                field["name"]: field["answers"][number % len(field["answers"])]
                for field in request["fields"]
                if field["answers"]
            }
            assert checker.accepts(answer), answer


def test_the_documents_state_the_values():
    for text, field in FIELDS:
        for value in field["answers"][:1]:
            if field.get("evidence"):
                assert field["evidence"] in text, field
            elif value is not None:
                assert is_stated(value, text), field


def is_stated(value, text):
    """Whether a document states a value literally; no verdict is, so those have evidence."""
    if isinstance(value, list):
        return all(contains_answer(text, [item]) for item in value)
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return contains_answer(text, [value])
        month = f"{day:%B}"
        forms = (f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}", f"to {day.day} {month}")
        return any(form in text for form in forms)
    if isinstance(value, bool):
        return False
    return any(
        re.search(rf"(?<![\d.,]){form}(?![\d]|[.,]\d)", text) for form in (f"{value:,}", f"{value:.2f}", str(value))
    )


def test_null_and_leaving_out_are_not_always_right_where_they_are_allowed():
    nullable = [field for _, field in FIELDS if isinstance(field["schema"]["type"], list)]
    optional = [field for _, field in FIELDS if field.get("optional")]
    for chosen, unstated in ((nullable, [None]), (optional, [])):
        assert 0.3 <= sum(field["answers"] != unstated for field in chosen) / len(chosen) <= 0.7
    assert all(field["answers"] or field.get("optional") for _, field in FIELDS)
    assert all(field in nullable for _, field in FIELDS if None in field["answers"])
    flags = Counter(field["answers"][0] for _, field in FIELDS if field["schema"]["type"] == "boolean")
    assert min(flags[True], flags[False]) >= 8


def test_the_expected_values_get_full_marks_and_the_wrong_kind_gets_none(cases):
    for question in (question for case in cases for question in case.questions):
        for answer in question.answers:
            assert score_answer(question.metric, answer, question.answers) == 1.0
        assert score_answer(question.metric, "", question.answers) == 0.0
        assert score_answer(question.metric, '"something else"', question.answers) == 0.0


@pytest.mark.parametrize("timed", [False, True])
def test_a_run_on_a_random_base_asks_for_each_answer_once(model, cases, timed, monkeypatch):
    asked = []
    plan_query = model.answerer.plan_query
    monkeypatch.setattr(model.answerer, "plan_query", lambda query: asked.append(query) or plan_query(query))
    (case,) = [case for case in cases if case.id == "advertisement-1"]
    case = replace(case, questions=case.questions[:3])
    answers = answer_cases(model, [case], parse_methods("icl,adapter"), max_new_tokens=120, timed=timed)
    with_schema = [query for query in asked if query.schema is not None]
    assert len(with_schema) == 2 * 2 and len(answers) == 2 * 3  # one question for one field, and one for two
    for answer in answers:
        question = case.questions[answer.index]
        assert answer.field == question.field and answer.condition == question.kind
        assert set(json.loads(answer.prediction)) == set(question.schema["properties"])
    assert all(first.prediction == second.prediction for first, second in pairs_of(answers))


def pairs_of(answers):
    """The records of the two fields of one answer, for each method."""
    return [[a for a in answers if a.method == method and a.index] for method in {a.method for a in answers}]


def test_fields_of_one_answer_are_scored_one_by_one(model, cases, monkeypatch):
    (case,) = [case for case in cases if case.id == "invoice-1"]
    given = json.dumps({"worker": "maurice tindle", "benches": 12})
    monkeypatch.setattr("lorify.evaluation.runs.block._answer_together", lambda _, rows, limit: [given] * len(rows))
    answers = answer_cases(model, [case], parse_methods("none"), max_new_tokens=9, timed=False)
    scores = {answer.field: answer.score for answer in answers}
    assert scores["worker"] == 1.0 and scores["benches"] == scores["total"] == scores["vat_number"] == 0.0
    assert {row["condition"] for row in summarize(answers)} == {"all", *(question.kind for question in case.questions)}
