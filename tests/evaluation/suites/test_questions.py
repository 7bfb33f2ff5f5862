import json
import sys
import zipfile

import pytest
from tiny_lorify import Reader

from lorify.errors import EvaluationError
from lorify.evaluation.suites.questions import PublicSuite, QuestionsSuite
from lorify.evaluation.suites.registry import parse_suite


def test_passages_are_drawn_with_their_first_questions(questions_path, caplog):
    cases = QuestionsSuite(path=questions_path, documents=2, questions=2).build(Reader())
    assert "drew 2 of 4 passages, 4 of 12 questions" in caplog.text
    assert len(cases) == 2 and all(len(case.questions) == 2 for case in cases)
    assert {case.source for case in cases} == {"q"}


def test_a_file_that_is_asked_whole_needs_no_note(questions_path, caplog):
    assert len(QuestionsSuite(path=questions_path).build(Reader())) == 4
    assert caplog.text == ""


def test_passages_are_read_from_a_benchmark_file(tmp_path):
    path = tmp_path / "boolq.json"
    text = "Passage: The mill is old.\nIt opens at nine.\nQuestion: is the mill old?\nAnswer:"
    path.write_text(json.dumps({"instances": [{"input": text, "outputs": ["yes"]}]}))
    (case,) = QuestionsSuite(path=path).build(Reader())
    assert case.documents == ("The mill is old.\nIt opens at nine.",) and case.source == "boolq"
    assert case.questions[0].text == "is the mill old?" and case.questions[0].answers == ("yes",)
    path.write_text(json.dumps({"instances": [{"input": "2 + 2?", "outputs": ["4"]}]}))
    with pytest.raises(EvaluationError, match="no passages"):
        QuestionsSuite(path=path).build(Reader())


ROWS = {
    "squad": {"context": "C", "question": "Q", "answers": {"text": ["x", "x", "y"], "answer_start": [0, 0, 1]}},
    "drop": {"passage": "C", "question": "Q", "answers_spans": {"spans": ["x", "y"], "types": ["span", "span"]}},
    "ropes": {"background": "C1", "situation": "C2", "question": "Q", "answers": {"text": ["x", "y"]}},
    "qasper": {"context": "C", "input": "Q", "answers": ["x", "y"], "length": 3},
}


@pytest.mark.parametrize("name", ROWS)
def test_a_local_copy_of_a_public_set_is_read(tmp_path, name):
    path = tmp_path / "copy.jsonl"
    path.write_text(json.dumps(ROWS[name]) + "\n")
    (case,) = PublicSuite(dataset=name, path=path).build(Reader())
    assert case.documents == (("C1\nC2",) if name == "ropes" else ("C",))
    assert case.questions[0].text == "Q" and case.questions[0].answers == ("x", "y")
    assert case.source == name


LONGBENCH = ("2wikimqa", "multifieldqa_en", "qasper", "2wikimqa_e", "multifieldqa_en_e", "qasper_e")


def longbench_row(name, number, context="", **fields):
    """Build a row with the fields of LongBench."""
    return {
        "input": f"Question {number} of {name}?",
        "context": context or f"Passage {number} of {name}.\nIt is long.",
        "answers": [f"answer {number}", f"the {number}th"],
        "length": 12,
        "dataset": name,
        "language": "en",
        "all_classes": None,
        "_id": f"{name}{number:040}",
    } | fields


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub cache on an offline machine that contains LongBench as published: one archive."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "hub" / "datasets--zai-org--LongBench"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    with zipfile.ZipFile(folder / "snapshots" / commit / "data.zip", "w") as archive:
        for name in LONGBENCH:
            rows = [longbench_row(name, i) for i in range(3)]
            rows.append(longbench_row(name, 3, context=rows[0]["context"]))
            lines = [json.dumps(row, ensure_ascii=False) for row in rows]
            archive.writestr(f"data/{name}.jsonl", "\n".join(lines) + "\n")
        archive.writestr("data/trec.jsonl", "not requested")
    return folder


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", LONGBENCH)
def test_longbench_is_read_from_its_archive_on_the_hub(name):
    cases = parse_suite(f"public:dataset={name}:documents=10").build(Reader())
    assert {case.source for case in cases} == {name}
    asked = {case.documents[0]: [(q.text, q.answers) for q in case.questions] for case in cases}
    questions = [(f"Question {i} of {name}?", (f"answer {i}", f"the {i}th")) for i in range(4)]
    assert asked == {
        f"Passage 0 of {name}.\nIt is long.": [
            questions[0],
            questions[3],
        ],  # one case for both questions on this passage
        f"Passage 1 of {name}.\nIt is long.": [questions[1]],
        f"Passage 2 of {name}.\nIt is long.": [questions[2]],
    }
    assert len(parse_suite(f"public:dataset={name}:documents=2").build(Reader())) == 2


def test_a_file_from_the_archive_of_longbench_is_read_too(hub, tmp_path):
    with zipfile.ZipFile(next(hub.rglob("data.zip"))) as archive:
        archive.extractall(tmp_path / "copy")
    path = tmp_path / "copy" / "data" / "qasper_e.jsonl"
    local = PublicSuite(dataset="qasper_e", path=path).build(Reader())
    assert local == PublicSuite(dataset="qasper_e").build(Reader())


def test_without_the_archive_of_longbench_the_error_suggests_a_local_copy(hub):
    next(hub.rglob("data.zip")).unlink()
    with pytest.raises(EvaluationError, match=r"zai-org/LongBench cannot be read .*local copy") as raised:
        PublicSuite(dataset="qasper").build(Reader())
    assert "\n" not in str(raised.value)


def test_a_copy_with_other_fields_is_refused_and_the_row_named(tmp_path):
    path = tmp_path / "copy.jsonl"
    path.write_text(json.dumps(ROWS["squad"]) + "\n" + json.dumps(ROWS["drop"]) + "\n")
    with pytest.raises(EvaluationError, match=r"row 2 .*'context'"):
        PublicSuite(dataset="squad", path=path).build(Reader())


def test_an_unknown_public_set_and_a_missing_package_are_named(monkeypatch):
    with pytest.raises(EvaluationError, match="choose from squad"):
        PublicSuite(dataset="squid").build(Reader())
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EvaluationError, match=r"lorify\[datasets\]"):
        PublicSuite(dataset="squad").build(Reader())
