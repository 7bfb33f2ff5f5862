import json
import zipfile

import pytest
from tiny_lorify import Reader

from lorify.errors import EvaluationError
from lorify.evaluation.suites.agreement import AgreementSuite
from lorify.evaluation.suites.facts import FactsSuite, ManySuite, PortraitsSuite
from lorify.evaluation.suites.interference import InterferenceSuite
from lorify.evaluation.suites.niah import NiahSuite
from lorify.evaluation.suites.query import INTERNALIZED_REQUEST, InternalizedQuerySuite
from lorify.evaluation.suites.questions import PublicSuite, QuestionsSuite
from lorify.evaluation.suites.registry import parse_suite

SUITES = [
    FactsSuite(documents=3),
    PortraitsSuite(documents=3),
    NiahSuite(lengths=(300,), bins=3),
    InterferenceSuite(documents=2, others=(0, 2)),
    InternalizedQuerySuite(documents=2),
    AgreementSuite(documents=2, prompts=5),
    ManySuite(documents=1, questions=30),
]


def write_questions(path, passages=4, questions=3):
    rows = [
        {"context": f"Passage {p}.", "question": f"Question {p}.{q}?", "answers": [f"answer {q}"]}
        for p in range(passages)
        for q in range(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
def test_the_same_options_give_the_same_cases_with_names_of_their_own(suite):
    cases = suite.build(Reader())
    assert cases == suite.build(Reader())
    assert len({case.id for case in cases}) == len(cases) > 0
    assert all(case.documents and case.questions and case.length_tokens > 0 for case in cases)


def test_another_seed_gives_other_documents():
    assert FactsSuite(documents=1).build(Reader()) != FactsSuite(documents=1, seed=1).build(Reader())


def test_a_long_document_has_several_pages_of_facts():
    (page,) = FactsSuite(documents=1).build(Reader())
    (long,) = FactsSuite(documents=1, pages=5, questions=20).build(Reader())
    assert len(page.documents) == len(long.documents) == 1
    assert len(long.documents[0].split()) > 3 * len(page.documents[0].split())
    assert len(long.questions) == 20


def test_a_needle_has_its_length_and_depth():
    cases = NiahSuite(lengths=(300, 600), bins=2).build(Reader())
    assert [(case.length_tokens, case.depth_bin) for case in cases] == [(300, 0), (300, 1), (600, 0), (600, 1)]


def test_passages_are_drawn_with_their_first_questions(tmp_path):
    path = write_questions(tmp_path / "q.jsonl")
    cases = QuestionsSuite(path=path, documents=2, questions=2).build(Reader())
    assert len(cases) == 2 and all(len(case.questions) == 2 for case in cases)
    assert {case.source for case in cases} == {"q"}


def test_a_benchmark_file_gives_its_passages(tmp_path):
    path = tmp_path / "boolq.json"
    text = "Passage: The mill is old.\nIt opens at nine.\nQuestion: is the mill old?\nAnswer:"
    path.write_text(json.dumps({"instances": [{"input": text, "outputs": ["yes"]}]}))
    (case,) = QuestionsSuite(path=path).build(Reader())
    assert case.documents == ("The mill is old.\nIt opens at nine.",) and case.source == "boolq"
    assert case.questions[0].text == "is the mill old?" and case.questions[0].answers == ("yes",)
    path.write_text(json.dumps({"instances": [{"input": "2 + 2?", "outputs": ["4"]}]}))
    with pytest.raises(EvaluationError, match="no passages"):
        QuestionsSuite(path=path).build(Reader())


def test_many_questions_about_one_document(tmp_path):
    (case,) = ManySuite(documents=1, questions=40).build(Reader())
    assert len(case.documents) == 1 and len(case.questions) == 40
    path = write_questions(tmp_path / "q.jsonl")
    cases = ManySuite(documents=2, questions=5, path=path).build(Reader())
    assert [len(case.questions) for case in cases] == [5, 5]
    for case in cases:
        assert all(f"Passage {question.text[9]}." in case.documents[0] for question in case.questions)


def test_interference_keeps_the_asked_document_and_adds_others():
    cases = InterferenceSuite(documents=1, others=(0, 2), contradicting=False).build(Reader())
    alone, among = cases
    assert (alone.condition, among.condition) == ("0 others", "2 others")
    assert len(among.documents) == 3 and alone.documents[0] in among.documents
    assert alone.questions == among.questions


def test_contradicting_versions_hold_both_answers():
    cases = {c.condition: c for c in InterferenceSuite(documents=2, others=(0,)).build(Reader())}
    first, last = cases["contradicted, first version"], cases["contradicted, last version"]
    assert first.documents == last.documents and len(first.documents) == 2
    differing = [(a, b) for a, b in zip(first.questions, last.questions, strict=True) if a.answers != b.answers]
    assert differing and all(a.text == b.text for a, b in differing)
    for a, b in differing:
        assert a.answers[0] in first.documents[0] and b.answers[0] in first.documents[1]


def test_an_internalized_question_is_in_the_document_and_asked_beside_it():
    asked, internalized = InternalizedQuerySuite(documents=1, questions=1).build(Reader())
    assert internalized.questions[0].text == INTERNALIZED_REQUEST
    assert asked.questions[0].text in internalized.documents[0]
    assert asked.questions[0].text not in asked.documents[0]
    assert asked.questions[0].answers == internalized.questions[0].answers


def test_agreement_takes_the_bare_bases_answers_as_right():
    cases = AgreementSuite(documents=2, prompts=5).build(Reader())
    assert sum(len(case.questions) for case in cases) == 5
    assert {q.answers for case in cases for q in case.questions} == {("hm",)}
    assert all(case.answers_are_the_bases for case in cases)


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
    """A row with the fields that LongBench has."""
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
    """The hub's cache on a machine without a network, with LongBench in it as it is published: one archive."""
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
        archive.writestr("data/trec.jsonl", "not asked for")
    return folder


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", LONGBENCH)
def test_longbench_is_read_from_the_hubs_archive(name):
    cases = parse_suite(f"public:dataset={name}:documents=10").build(Reader())
    assert {case.source for case in cases} == {name}
    asked = {case.documents[0]: [(q.text, q.answers) for q in case.questions] for case in cases}
    questions = [(f"Question {i} of {name}?", (f"answer {i}", f"the {i}th")) for i in range(4)]
    assert asked == {
        f"Passage 0 of {name}.\nIt is long.": [questions[0], questions[3]],  # questions on one passage go together
        f"Passage 1 of {name}.\nIt is long.": [questions[1]],
        f"Passage 2 of {name}.\nIt is long.": [questions[2]],
    }
    assert len(parse_suite(f"public:dataset={name}:documents=2").build(Reader())) == 2


def test_a_file_out_of_longbenchs_archive_is_read_too(hub, tmp_path):
    with zipfile.ZipFile(next(hub.rglob("data.zip"))) as archive:
        archive.extractall(tmp_path / "copy")
    path = tmp_path / "copy" / "data" / "qasper_e.jsonl"
    local = PublicSuite(dataset="qasper_e", path=path).build(Reader())
    assert local == PublicSuite(dataset="qasper_e").build(Reader())


def test_without_longbenchs_archive_the_way_out_is_said(hub):
    next(hub.rglob("data.zip")).unlink()
    with pytest.raises(EvaluationError, match=r"zai-org/LongBench cannot be read .*local copy") as raised:
        PublicSuite(dataset="qasper").build(Reader())
    assert "\n" not in str(raised.value)


def test_a_copy_with_other_fields_is_refused_by_its_row(tmp_path):
    path = tmp_path / "copy.jsonl"
    path.write_text(json.dumps(ROWS["squad"]) + "\n" + json.dumps(ROWS["drop"]) + "\n")
    with pytest.raises(EvaluationError, match=r"row 2 .*'context'"):
        PublicSuite(dataset="squad", path=path).build(Reader())


def test_an_unknown_or_unreachable_public_set_is_an_error_with_a_way_out(monkeypatch):
    with pytest.raises(EvaluationError, match="choose from squad"):
        PublicSuite(dataset="squid").build(Reader())
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(EvaluationError, match=r"lorify\[datasets\]"):
        PublicSuite(dataset="squad").build(Reader())
