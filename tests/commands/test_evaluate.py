"""`lorify eval`, and what `internalize` and `ask` take from it, through the command line on a tiny random base."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypernets.authors_checkpoint import AuthorsCheckpoint
from tiny import tiny_associative_config, tiny_model, tiny_tokenizer
from tiny_lorify import Reader, text_adapter
from typer.testing import CliRunner

from lorify.adapters.storage import RECORD_NAME, save_adapter
from lorify.answering.answerer import Answer, Answerer
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.plan import plan_as_requested
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.suites.registry import parse_suite
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.loading import load

TEXT = "The tower of Elmstead was built in 1911. Its architect was Nora Quill. The Elm Bridge is 48 metres long.\n"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Options that choose a tiny base and hypernetwork."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    base = load_base(str(folder / "base"))
    config = tiny_associative_config(base, 64)
    ASSOCIATIVE.save(folder / "hypernetwork", config, AssociativeHypernetwork(config))
    return ["--base", folder / "base", "--hypernetwork", folder / "hypernetwork"]


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "tower.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"context": TEXT, "question": "How long?", "answers": ["48 metres"]}) + "\n")
    return path


@pytest.fixture
def reader(monkeypatch):
    """The commands get a model that reads, in place of the tiny one."""
    model = Reader()
    monkeypatch.setattr("lorify.commands.evaluation.evaluate.load_model", lambda *_args, **_named: model)
    return model


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def succeed(*args) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*args) -> str:
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def test_niah_shows_each_length_and_writes_a_heat_map(tmp_path, reader):
    output = succeed("eval", "niah", "-l", 300, "-l", 600, "-o", tmp_path / "niah")
    lines = [line.split() for line in output.splitlines()]
    assert lines == [
        ["length", "exact", "method", "haystacks"],
        ["300", "1.0", "adapter", "10"],
        ["600", "1.0", "adapter", "10"],
    ]
    assert (tmp_path / "niah" / "heat-map-adapter.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "niah" / "answers.jsonl").read_text().splitlines()) == 20


def test_qa_uses_three_methods(options, questions):
    result = json.loads(succeed("eval", "qa", "--questions", questions, "--json", *options))
    assert [row["method"] for row in result["scores"]] == ["adapter", "icl", "none"]
    assert all(0 <= row["f1"] <= 1 for row in result["scores"])
    assert result["config"]["timed"] is False and result["config"]["hypernetwork"] == "hypernetwork"


def test_qa_with_an_imported_checkpoint_of_doc_to_lora(tmp_path, options, questions):
    base_dir = options[1]
    AuthorsCheckpoint(load_base(str(base_dir))).save(tmp_path / "theirs")
    succeed("import", tmp_path / "theirs", "-o", tmp_path / "ours", "--base", base_dir)
    chosen = ("--base", base_dir, "--hypernetwork", tmp_path / "ours")
    result = json.loads(succeed("eval", "qa", "--questions", questions, "--json", *chosen))
    assert [row["method"] for row in result["scores"]] == ["adapter", "icl", "none"]
    assert result["config"]["hypernetwork"] == "ours"
    command = ("eval", "run", "facts:documents=1", "-m", "none,adapter", "--max-tokens", 3)
    scores = [line.split()[:2] for line in succeed(*command, "-o", tmp_path / "run", *chosen).splitlines()]
    assert ["facts", "none"] in scores and ["facts", "adapter"] in scores
    answers = [json.loads(line) for line in (tmp_path / "run" / "answers.jsonl").read_text().splitlines()]
    predictions = {
        method: [row["prediction"] for row in answers if row["method"] == method] for method in ("none", "adapter")
    }
    assert (
        predictions["adapter"] and predictions["adapter"] != predictions["none"]
    )  # as published, it is on for every question


def test_agreement_compares_with_the_bare_base(reader):
    reader.internalize = lambda *documents, **options: text_adapter("the mill")
    rows = json.loads(succeed("eval", "agreement", "--documents", 1, "--json"))["scores"]
    shown = {row["method"]: (row["questions"], row["f1"]) for row in rows}
    # The reader takes a prompt for its own where it has "mill" or "number" in it.
    assert shown["adapter"][0] == shown["adapter:only_if_relevant=false"][0] == 200
    assert shown["adapter"][1] > 0.9 and shown["adapter:only_if_relevant=false"][1] == 0.0


def test_a_suite_alone_is_a_run_that_goes_on_and_is_compared_and_reported(tmp_path, options, questions):
    command = ("eval", questions, "-m", "none,adapter", "--max-tokens", 3, "-o", tmp_path / "run", *options)
    first = succeed(*command)
    assert first.split()[:3] == ["source", "method", "questions"] and "update_seconds" in first
    again = succeed(*command)
    assert again == first  # nothing was asked again, so even the times are the same
    assert "no significant difference" in succeed("eval", "compare", tmp_path / "run", tmp_path / "run")
    (tmp_path / "run" / "answers.jsonl").unlink()
    page = tmp_path / "docs" / "results.md"
    assert succeed("eval", "report", tmp_path / "run", "-o", page).strip() == str(page)
    text = page.read_text()
    assert "## run" in text and "| none | 1 |" in text and "](../run/quality-update.png)" in text
    assert f"lorify eval run questions:path={questions} -m none,adapter" in text


def test_the_list_names_suites_and_methods():
    listed = succeed("eval", "list")
    assert all(f"{name}: " in listed for name in ("facts", "heldout", "tasks", "digits", "outer", "adapter+refine"))


def test_bad_input_of_eval(tmp_path, questions, options):
    assert "choose from facts" in fail("eval", "niha")
    assert "choose from none" in fail("eval", "facts", "-m", "lora")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("a photo")
    assert "holds files but no run" in fail("eval", "facts", "-o", tmp_path / "photos")
    assert "is a file" in fail("eval", "niah", "-o", questions)
    assert "exclude each other" in fail("eval", "qa", "--questions", questions, "--heldout-of", questions)
    assert "is not a run folder" in fail("eval", "report", tmp_path, "-o", tmp_path / "page.md")
    questions.write_text('{"context": "x", "question": "y"}\n')
    assert "line 1: field 'answers'" in fail("eval", questions, *options)


def test_study_and_refinement_exclude_each_other(tmp_path, document, options):
    text = fail("internalize", document, "-o", tmp_path / "adapter", "--refine", 1, "--study", 1, *options)
    assert "--refine and --study exclude each other" in text
    assert not (tmp_path / "adapter").exists()


def test_study_needs_a_hypernetwork_that_focuses(tmp_path, document, options):
    text = fail("internalize", document, "-o", tmp_path / "adapter", "--study", 1, *options)
    assert "by a hypernetwork with a reader" in text
    assert not (tmp_path / "adapter").exists()


def test_internalize_refines_checks_and_keeps_the_fidelity(tmp_path, document, options):
    folder = tmp_path / "adapter"
    result = json.loads(succeed("internalize", document, "-o", folder, "--refine", 0.1, "--check", "--json", *options))
    assert result["refined_seconds"] > 0
    assert [s["expected"] for s in result["statements"]] == ["1911", "48 metres"]
    held = [s["held"] for s in result["statements"]]
    assert result["fidelity"] == sum(held) / len(held)
    shown = json.loads(succeed("adapter", "show", folder, "--json"))
    assert shown["fidelity"] == result["fidelity"] and shown["refined_seconds"] == result["refined_seconds"]
    assert shown["can_change_documents"] is False
    (tmp_path / "more.txt").write_text("More.")
    assert "without --refine" in fail("adapter", "add", folder, tmp_path / "more.txt", *options)


def test_a_check_tells_statement_by_statement(tmp_path, document, options):
    output = succeed("internalize", document, "-o", tmp_path / "adapter", "--check", *options)
    assert "The Elm Bridge is 48 metres long." in output and "of 2 statements" in output


def test_ask_warns_where_the_answer_is_probably_wrong(tmp_path, document, options, monkeypatch):
    monkeypatch.setattr(Answerer, "plan", lambda _self, requests: plan_as_requested(requests))
    command = ("ask", document, "-q", "Who?", "--max-tokens", 4, *options)
    assert "may not hold this" not in run(*command).stderr
    folder = options[3]
    digest = hypernetwork_digest(folder)
    doubtful = ConfidenceModel(
        hypernetwork_digest=digest, bias=-9.0, weights=(0, 0), threshold=0.5, auroc=0.8, questions=9
    )
    try:
        doubtful.save(folder)
        assert "may not hold this" in run(*command).stderr
        succeed("internalize", document, "-o", tmp_path / "tower", *options)
        chat = ("chat", "--adapter", tmp_path / "tower", "-q", "Who?", "--max-tokens", 4, *options)
        assert "may not hold this" in run(*chat).stderr
        model = load(str(options[1]), hypernetwork=folder)
        save_adapter(model.load_adapter(tmp_path / "tower").with_held_weights(), tmp_path / "tower")
        record = tmp_path / "tower" / RECORD_NAME
        record.write_text(record.read_text().replace(digest, "of a task hypernetwork"))
        told = run(*chat)
        assert told.exit_code == 0 and "may not hold this" not in told.stderr
        answer = json.loads(succeed(*command, "--json"))["answers"][0]
        assert answer["probably_right"] < 0.001
        doubtful.model_copy(update={"bias": 9.0}).save(folder)
        assert "may not hold this" not in run(*command).stderr
        doubtful.model_copy(update={"hypernetwork_digest": "of another one"}).save(folder)
        assert "may not hold this" not in run(*command).stderr
    finally:
        (folder / ConfidenceModel.file_name).unlink()


@pytest.fixture
def own_questions(tmp_path):
    """Questions of one's own, and the fixed answers that some are right with."""
    path = tmp_path / "own.jsonl"
    towns = ("Elmstead", "Oakham", "Ashby", "Birchley")
    rows = [
        {
            "context": f"The tower of {town} was built in 19{i}1. Its architect was Nora {town}.",
            "question": question.format(town),
            "answers": [answer],
        }
        for i, town in enumerate(towns)
        for question, answer in (
            ("When was the tower of {} built?", f"19{i}1"),
            ("Who was the architect of the tower of {}?", f"Nora {town}"),
        )
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path, {row["question"]: row["answers"][0] for row in rows}


def test_the_saved_confidence_is_measured_on_own_questions(options, own_questions, monkeypatch):
    path, known = own_questions
    right = dict(list(known.items())[::3])
    monkeypatch.setattr(
        "lorify.evaluation.scoring.calibration.answer_in_batches",
        lambda _answerer, planned, _options: [
            Answer(right.get(query.question, "nobody knows"), adapter_on=True) for query, _ in planned
        ],
    )
    command = ("eval", "confidence", "--questions", path, *options)
    assert "lorify eval confidence --save" in fail(*command)  # nothing is kept yet
    folder = options[3]
    kept = ConfidenceModel(
        hypernetwork_digest=hypernetwork_digest(folder),
        bias=0.0,
        weights=(-1, 0),
        threshold=0.5,
        auroc=0.8,
        questions=9,
    )
    try:
        kept.save(folder)
        before = (folder / ConfidenceModel.file_name).read_bytes()
        told = json.loads(succeed(*command, "--json"))
        rows = {row["signal"]: row for row in told["signals"]}
        # It judges by one signal alone, so the warning tells as much as that signal; judging by the contrary, the rest.
        assert rows["warning"] == rows["mean"] | {"signal": "warning"}
        assert (rows["warning"]["questions"], rows["warning"]["right"]) == (8, 0.375)
        assert told["confidence"]["hypernetwork_digest"] == kept.hypernetwork_digest
        assert (folder / ConfidenceModel.file_name).read_bytes() == before  # nothing was fitted
        kept.model_copy(update={"weights": (1, 0)}).save(folder)
        last = succeed(*command).splitlines()[-1].split()
        assert last[:2] == ["warning", "8"] and float(last[3]) == pytest.approx(1 - rows["mean"]["auroc"], abs=0.0011)
        assert rows["mean"]["auroc"] != 0.5
        right.clear()
        assert "0 of 8 answers are right" in fail(*command)
        path.unlink()
        assert "own.jsonl" in fail(*command)
    finally:
        (folder / ConfidenceModel.file_name).unlink()


def test_own_questions_are_either_measured_or_fitted_to(options, own_questions):
    path, _ = own_questions
    for more in (("--save",), ("facts:documents=2",)):
        assert "give it as SUITE" in fail("eval", "confidence", "--questions", path, *more, *options)


@pytest.mark.parametrize("command", ["confidence", "stated"])
@pytest.mark.parametrize(
    ("suite", "problem"), [("records:documents=1", "asks for JSON"), ("chats", "belongs to a chat")]
)
def test_only_plain_questions_are_fitted_to(options, command, suite, problem):
    told = fail("eval", command, suite, *options)
    assert problem in told and "use another suite" in told


def test_a_method_that_ignores_schemas_is_refused_for_answers_in_json(options):
    told = fail("eval", "records:documents=1", "-m", "none,exported", "--untimed", *options)
    assert "method exported cannot answer case" in told and "leave the method out" in told


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_suites_and_methods_of_the_makefile_exist():
    """`make results` takes most of an hour, so a slip in a later line of it must not wait for that."""
    root = Path(__file__).parents[2]
    told = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", "results", "EVAL=EVAL", "QUESTIONS=tests"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.partition("EVAL ")[2] for line in told.stdout.replace("\\\n", " ").splitlines() if "EVAL " in line]
    runs = [shlex.split(line.partition(";")[0]) for line in lines if not line.startswith("report")]
    assert len(runs) == 12
    for words in runs:
        name = next(word for word in words if word != "run")
        suite = parse_suite(name if name != "tests" else f"questions:path={root / 'tests'}")
        if "-m" in words:
            parse_methods(words[words.index("-m") + 1], suite.kind)
