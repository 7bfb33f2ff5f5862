import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import Result
from tiny import tiny_base, tiny_model, tiny_tokenizer
from tiny_lorify import tiny_lorify
from typer.testing import CliRunner

import lorify
from lorify.adapters.storage import load_adapter
from lorify.answering.calibration.description_estimate import DescriptionModel
from lorify.answering.plan import Query
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.data.tasks.files import save_task
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import HypernetworkError
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork

FIXTURES = sorted((Path(__file__).parents[4] / "shared" / "fixtures").glob("t2l_*"))
TASK = "Repeat the sentence in capital letters."


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """A tiny base on disk and a task hypernetwork for it whose embedder is that base."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model().save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    base = load_base(str(folder / "base"))
    torch.manual_seed(0)
    shape = {"rank": 2, "lora_alpha": 256.0, "latent_size": 16, "head_input_size": 16, "hyper_init": False}
    config = task_config(base, BaseEncoder(base), **shape)
    TEXT_TO_LORA.save(folder / "tasks", config, build_task_hypernetwork(config))
    return ["--base", folder / "base", "--task-hypernetwork", folder / "tasks"]


def run(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def succeed(*args: object, stdin: str | None = None) -> str:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*args: object, stdin: str | None = None) -> str:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 2 and result.stdout == "", result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


@pytest.mark.parametrize("command", ["specialize", "import", "eval tasks"])
def test_help_has_an_example(command: str) -> None:
    assert f"Example: lorify {command}" in " ".join(succeed(*command.split(), "--help").split())


def test_specialize_writes_an_adapter_that_answers(tmp_path: Path, options: list[object]) -> None:
    assert succeed("specialize", TASK, "-o", tmp_path / "capitals", *options).strip() == str(tmp_path / "capitals")
    assert load_adapter(tmp_path / "capitals").provenance.documents[0].name == f"task: {TASK}"
    told = json.loads(succeed("specialize", "-", "-o", tmp_path / "capitals", "--json", *options, stdin=f"{TASK}\n"))
    assert told["description"] == TASK and told["specialize_seconds"] >= 0
    answers = json.loads(succeed("chat", "--adapter", tmp_path / "capitals", "-q", "a", "--max-tokens", 2, "--json"))
    assert answers["answers"][0]["question"] == "a"


def test_ask_does_a_task(options: list[object]) -> None:
    told = json.loads(succeed("ask", "--task", TASK, "-q", "a cat", "--max-tokens", 8, "--json", *options))
    assert told["task"] == TASK and "documents" not in told and told["specialize_seconds"] >= 0
    bare = lorify.load(str(options[1])).ask("a cat", max_new_tokens=8)
    assert told["answers"][0]["answer"] != bare


def test_documents_and_a_task_apply_at_once(options: list[object]) -> None:
    model = lorify.load(str(options[1]), task_hypernetwork=str(options[3]))
    one, other = model.specialize(TASK), model.specialize("Answer with yes.")
    both = model.combine([(one, 1.0), (other, 1.0)])
    assert both == lorify.adapters.AdapterStack(((one, 1.0), (other, 1.0)))
    assert model.answerer.plan_query(Query("a cat", both)).adapters == both, "a task is on for every question"
    base = model.base
    ids = torch.arange(10, 18).view(1, 8)

    def logits(row):
        with torch.no_grad(), base.hooks.applied(lorify.adapters.build_lora_batch([row], base)):
            return base.model(ids).logits.float()

    assert not torch.allclose(logits(both), logits(one)) and not torch.allclose(logits(both), logits(other))


def test_ask_takes_a_document_with_a_task(tmp_path: Path, options: list[object]) -> None:
    tiny = tiny_lorify().internalizer
    config = tiny.config.model_copy(update={"base_digest": load_base(str(options[1])).digest})
    ASSOCIATIVE.save(tmp_path / "documents", config, tiny.hypernetwork)
    (tmp_path / "mill.txt").write_text("The mill opens at nine.\n")
    documents = ("--doc", tmp_path / "mill.txt", "--hypernetwork", tmp_path / "documents")
    question = ("-q", "When?", "--max-tokens", 4, "--json", *options)
    both = json.loads(succeed("ask", *documents, "--task", TASK, *question))
    assert both["documents"][0]["name"] == "mill.txt" and both["task"] == TASK
    assert both["internalize_seconds"] >= 0 and both["specialize_seconds"] >= 0
    compared = json.loads(succeed("ask", *documents, "--task", TASK, "--compare", *question))["answers"][0]
    assert compared["answer"] == both["answers"][0]["answer"] and compared["document_in_prompt"] is not None


def test_python_specializes_in_one_call(options: list[object]) -> None:
    adapter = lorify.specialize(TASK, str(options[1]), task_hypernetwork=str(options[3]))
    assert isinstance(adapter, lorify.Adapter) and adapter.rank == 2


@pytest.mark.parametrize(
    ("description", "reason"), [("", "is empty"), (" \n", "is empty"), ("do it " * 30_000, "shorten it")]
)
def test_empty_and_enormous_descriptions_are_refused_and_leave_nothing(tmp_path, options, description, reason) -> None:
    assert reason in fail("specialize", description, "-o", tmp_path / "adapter", *options)
    assert reason in fail("ask", "--task", description, "-q", "a", *options)
    assert not (tmp_path / "adapter").exists()


def test_a_foreign_description_is_warned_about_by_an_english_encoder(
    tmp_path: Path, options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorify.contexts.descriptions.encoding.DEFAULT_EMBEDDER", "base")
    result = run("specialize", "Wiederhole den Satz ganz in grossen Buchstaben bitte", "-o", tmp_path / "a", *options)
    assert result.exit_code == 0 and "warning: the task description 'Wiederhole" in result.stderr
    assert (tmp_path / "a").is_dir()


def test_nothing_to_do_and_no_hypernetwork_are_said(tmp_path: Path, options: list[object]) -> None:
    assert "no document and no task" in fail("ask", "-q", "a", *options)
    assert "no task hypernetwork ships" in fail("specialize", TASK, "-o", tmp_path / "a", *options[:2])
    assert "is not a hypernetwork" in fail("specialize", TASK, "-o", tmp_path / "a", *options[:3], tmp_path)


def test_another_embedder_or_base_than_the_hypernetworks_is_refused(tmp_path: Path, options: list[object]) -> None:
    folder = tmp_path / "tasks"
    shutil.copytree(str(options[3]), folder)
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(document | {"embedder_digest": "0" * 64}))
    assert "reads embeddings of base" in fail("specialize", TASK, "-o", tmp_path / "a", *options[:3], folder)
    (folder / "config.json").write_text(json.dumps(document | {"base_digest": "0" * 64}))
    assert "was made for" in fail("specialize", TASK, "-o", tmp_path / "a", *options[:3], folder)
    (folder / "config.json").write_text(json.dumps(document | {"embedder_name": "one-hot task number"}))
    assert "by number only" in fail("specialize", TASK, "-o", tmp_path / "a", *options[:3], folder)


@pytest.mark.skipif(not FIXTURES, reason="the parity fixtures are not at hand")
def test_the_authors_checkpoints_are_imported(tmp_path: Path) -> None:
    fixture = FIXTURES[0]
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    for file in (fixture / "base").iterdir():
        shutil.copy(file, tmp_path / "base")
    told = json.loads(succeed("import", fixture, "-o", tmp_path / "out", "--base", tmp_path / "base", "--json"))
    assert told["kind"] == "Text-to-LoRA" and told["embedder"] == "fixture/emb"
    config, _ = TEXT_TO_LORA.load(tmp_path / "out")
    assert config.use_rslora and config.lora_alpha == 16 and config.published_chat


def test_folders_that_cannot_be_imported_are_named(tmp_path: Path) -> None:
    assert "hypermod.pt (Text-to-LoRA)" in fail("import", tmp_path, "-o", tmp_path / "out")
    (tmp_path / "hypermod.pt").write_bytes(b"")
    assert "adapter_config.json is missing" in fail("import", tmp_path, "-o", tmp_path / "out")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 1, "lora_alpha": 1, "target_modules": ["q_proj"]}))
    assert "does not name its base" in fail("import", tmp_path, "-o", tmp_path / "out")


def test_eval_tasks_writes_scores_and_answers(tmp_path: Path, options: list[object]) -> None:
    task = {
        "name": "echo",
        "definition": TASK,
        "descriptions": ["Say it aloud.", "Shout the words.", "Make them big letters.", "Use capital letters."],
        "instances": [{"input": f"cat {n}", "outputs": [f"CAT {n}"]} for n in range(5)],
    }
    (tmp_path / "tasks").mkdir()
    for name in ("one", "two"):
        (tmp_path / "tasks" / f"{name}.json").write_text(json.dumps(task | {"name": name}))
    command = ("eval", "tasks", "--tasks", tmp_path / "tasks", "--instances", 1, "--seeds", 1, "-o", tmp_path / "out")
    assert "score" in succeed(*command, *options)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["hypernetwork"] == "tasks" and config["base_digest"] != tiny_base().digest
    assert len((tmp_path / "out" / "answers.jsonl").read_text().splitlines()) == 12
    assert "| tasks | adapter | 2 |" in (tmp_path / "out" / "report.md").read_text()
    again = json.loads(succeed(*command, "--json", *options))
    assert [row["tasks"] for row in again["scores"]] == [2] * 6
    assert "no significant difference" in succeed("eval", "compare", tmp_path / "out", tmp_path / "out")
    succeed("eval", "report", tmp_path / "out", "-o", tmp_path / "page.md")
    assert "quality-methods.png" in (tmp_path / "page.md").read_text()
    for source in ("--seen", "--written"):
        assert "exclude each other" in fail(*command, source, *options)
    long = json.loads(succeed(*command[:-2], "-m", "adapter", "--long", "--json", *options))
    assert long["config"]["suite"].endswith(":long=true:instances=1:seeds=1")
    assert "--oracles" in fail("eval", "tasks", "-m", "none,oracle", *options)
    (tmp_path / "tasks" / "two.json").write_text("{")
    assert "two.json is not JSON" in fail(*command, *options)


def test_a_question_is_answered_with_the_most_probable_choice(options: list[object], tmp_path: Path) -> None:
    choices = ["--choice", "yes", "--choice", "no"]
    result = json.loads(succeed("ask", "--task", TASK, "-q", "is it?", *choices, *options, "--json"))
    (answer,) = result["answers"]
    assert answer["answer"] == answer["choices"][0]["text"]
    assert sum(choice["probability"] for choice in answer["choices"]) == pytest.approx(1, abs=1e-3)
    assert succeed("ask", "--task", TASK, "-q", "is it?", *choices, *options).strip() == answer["answer"]
    succeed("specialize", TASK, "-o", tmp_path / "task", *options)
    assert succeed("chat", "--adapter", tmp_path / "task", "-q", "is it?", *choices).strip() == answer["answer"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--choice", "yes", "-q", "is it?"], "between 2 and"),
        (["--choice", "yes", "--choice", "no", "-q", "is it?", "--compare"], "leave out --choice or --compare"),
    ],
)
def test_invalid_choices_end_before_a_model_is_loaded(arguments: list[str], message: str) -> None:
    assert message in fail("ask", "--task", TASK, "--base", "missing", *arguments)


def test_an_adapter_is_refined_on_some_examples_and_checked_on_others(options: list[object], tmp_path: Path) -> None:
    lines = [json.dumps({"input": f"word {i}", "output": "x"}) for i in range(4)]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ["--examples", tmp_path / "examples.jsonl", "--example", "one => x", "--example", "two => y"]
    output = tmp_path / "task"
    result = json.loads(
        succeed("specialize", TASK, "-o", output, *given, "--refine", 0.2, "--check", *options, "--json")
    )
    assert result["check"]["questions"] == 3 and result["refined_seconds"] > 0
    shares = [result["check"][key] for key in ("adapter", "description_in_prompt", "examples_in_prompt")]
    assert all(0 <= share <= 1 for share in shares)
    assert len(result["check"]["wrong"]) == round(3 * (1 - result["check"]["adapter"]))
    provenance = load_adapter(output).provenance
    assert provenance.refined_seconds == result["refined_seconds"] and provenance.num_examples == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check"], "the number of examples is 0, expected at least 2"),
        (["--refine", 1], "the number of examples is 0, expected at least 1"),
        (["--refine", 1, "--check", "--example", "hot => cold"], "the number of examples is 1, expected at least 2"),
        (["--check", "--example", "hot"], "INPUT => OUTPUT"),
        (["--check", "--example", "a => b", "--example", "a => c"], "contradict"),
        (["--check", "--examples", "missing.jsonl"], "missing.jsonl cannot be read"),
    ],
)
def test_bad_examples_end_before_a_model_is_loaded(arguments: list[object], message: str, tmp_path: Path) -> None:
    output = tmp_path / "task"
    assert message in fail("specialize", TASK, "-o", output, "--base", "missing", *arguments)
    assert not output.exists()


def test_the_estimate_is_fitted_saved_shown_and_measured(tmp_path, options, monkeypatch) -> None:
    # A random base does no task; every second one counts as done.
    monkeypatch.setattr(
        "lorify.evaluation.scoring.description_estimate.score_answer",
        lambda _metric, _answer, answers: float(answers == ("right",)),
    )
    folder = tmp_path / "tasks"
    shutil.copytree(options[3], folder)
    own = ["--base", options[1], "--task-hypernetwork", folder]
    command = ("eval", "descriptions", f"tasks:path={write_tasks(tmp_path / 'suite')}:instances=1:seeds=1")
    assert "lorify eval descriptions --save" in fail(*command, "--measure", *own)
    assert "nothing to --save" in fail(*command, "--measure", "--save", *own)
    fitted = json.loads(succeed(*command, "--save", "--json", *own))
    (row,) = fitted["suites"]
    assert (row["descriptions"], row["done"]) == (8, 0.5) and 0.5 <= row["auroc"] <= 1
    assert json.loads(succeed(*command, "--measure", "--json", *own)) == fitted
    estimate = DescriptionModel.load(folder, fitted["descriptions"]["hypernetwork_digest"])
    assert estimate is not None and estimate.questions == 8
    DescriptionModel.model_validate(estimate.model_dump() | {"bias": -99.0}).save(folder)
    shown = json.loads(succeed("specialize", TASK, "-o", tmp_path / "adapter", "--json", *own))
    assert shown["follows"] == load_adapter(tmp_path / "adapter").provenance.follows == 0
    assert [note for note in shown["warnings"] if "probably does not follow" in note]
    command = ("specialize", TASK, "--example", "a => A", "-o", tmp_path / "adapter", "--json", *own)
    assert json.loads(succeed(*command))["follows"] is None
    (folder / DescriptionModel.file_name).write_text("{")
    assert "descriptions.json is damaged" in fail("specialize", TASK, "-o", tmp_path / "adapter", *own)
    with pytest.raises(HypernetworkError, match=r"descriptions\.json is damaged"):
        lorify.load(str(options[1]), task_hypernetwork=folder)


def write_tasks(folder: Path) -> Path:
    for number in range(8):
        text = f"Do number {number}."
        instances = (Instance("a", ("right" if number % 2 else "wrong",)),) * 2
        save_task(Task(f"t{number}", text, (text,), instances, "exact", f"family {number}", "made"), folder)
    return folder
