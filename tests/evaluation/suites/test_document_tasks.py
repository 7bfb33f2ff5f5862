import json

import pytest
from tiny_lorify import Reader

from lorify.errors import EvaluationError
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.suites.document_tasks import DATA_PATH
from lorify.evaluation.suites.registry import parse_suite


def test_there_are_sixty_pairs_of_facts_that_the_documents_state():
    cases = parse_suite("document_tasks").build(Reader())
    pairs = [pair for document in json.loads(DATA_PATH.read_text())["documents"] for pair in document["pairs"]]
    assert len(cases) == len(pairs) == 60 and len({case.task.family for case in cases}) >= 15
    assert len({case.group for case in cases}) == 20
    for case, pair in zip(cases, pairs, strict=True):
        assert pair["fact"] in case.documents[0], case.id
        assert score_answer(case.metric, pair["answers"][0], case.questions[0].answers) == 1.0
        assert pair["fact"] not in pair["question"] and pair["fact"] not in pair["answers"], case.id


@pytest.mark.parametrize("text", ["{", "[]", '{"documents": [{"id": "a", "pairs": [{}]}]}', '{"documents": []}'])
def test_a_file_that_is_none_is_an_error_of_one_line(tmp_path, text):
    path = tmp_path / "pairs.json"
    path.write_text(text)
    with pytest.raises(EvaluationError) as caught:
        parse_suite(f"document_tasks:path={path}").build(Reader())
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match="cannot be read"):
        parse_suite(f"document_tasks:path={tmp_path / 'none.json'}").build(Reader())
