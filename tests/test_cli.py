"""The command line on a tiny random base; bad input has tests of its own in `bad_input`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny import TOWER_TEXT
from typer.testing import CliRunner, Result

from lorify.answering.answerer import Answer, Answerer
from lorify.answering.plan import AnswerRequest
from lorify.base.chat.prompts import Message
from lorify.base.files.locate import DEFAULT_BASE
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.shipped import SHIPPED_TASK_HYPERNETWORKS
from lorify.training.associative.objective import AssociativeObjective


@pytest.fixture(scope="module", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def run(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def succeed(*args: object, stdin: str | None = None) -> str:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def model_options(base_dir: Path, hypernetwork_dir: Path) -> list[object]:
    return ["--base", base_dir, "--hypernetwork", hypernetwork_dir]


@pytest.fixture
def adapter_dir(tmp_path: Path, document: Path, model_options: list[object]) -> Path:
    folder = tmp_path / "adapter"
    succeed("internalize", document, "-o", folder, *model_options)
    return folder


@pytest.mark.parametrize(
    "command",
    "lorify,ask,internalize,chat,adapter show,adapter merge,adapter export,adapter add,adapter remove,"
    "train,eval run,eval niah,eval qa,eval agreement,eval compare,eval report,eval confidence,eval list,models".split(
        ","
    ),
)
def test_help_ends_with_an_example(command: str) -> None:
    words = command.removeprefix("lorify").split()
    output = succeed(*words, "--help")
    assert f"Example: {' '.join(['lorify', *words])}" in " ".join(output.split())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("--bogus",), "no such option: --bogus (see `lorify --help`)"),
        (("adapter", "show"), "missing argument 'DIR' (see `lorify adapter show --help`)"),
        (("bogus",), "no such command 'bogus' (see `lorify --help`)"),
    ],
)
def test_a_usage_error_is_one_line(command: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, command, prog_name="lorify")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_a_group_without_a_command_shows_its_help() -> None:
    result = run("adapter")
    assert "Usage:" in result.output and "error:" not in result.output


def test_a_chat_goes_on_after_a_question_that_is_too_long(
    adapter_dir: Path, hypernetwork_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in_chat(monkeypatch, "Why? " * 600, "Who?")
    monkeypatch.setattr(Answerer, "stream", lambda *_args: iter([" Nora"]))
    monkeypatch.setattr(Answerer, "answer", lambda *_args, **_options: [Answer("Nora", True)])
    result = run("chat", "--adapter", adapter_dir, "--hypernetwork", hypernetwork_dir)
    assert result.stdout.split() == ["Nora"]
    assert "error: the prompt has " in result.stderr and "Traceback" not in result.stderr


def test_ask_answers_each_question(document: Path, model_options: list[object]) -> None:
    output = succeed("ask", document, "-q", "How high?", "-q", "Who?", "--max-tokens", 4, *model_options)
    assert "Q: How high?" in output and "Q: Who?" in output


def test_ask_reads_the_document_from_standard_input(model_options: list[object]) -> None:
    output = succeed("ask", "-", "-q", "Who?", "--max-tokens", 4, "--json", *model_options, stdin=TOWER_TEXT)
    result = json.loads(output)
    assert result["documents"][0]["num_tokens"] > 0
    assert result["answers"][0]["question"] == "Who?"


def test_ask_reads_questions_from_a_pipe(document: Path, model_options: list[object]) -> None:
    output = succeed("ask", document, "--json", "--max-tokens", 2, *model_options, stdin="How high?\n\nWho?\n")
    assert [answer["question"] for answer in json.loads(output)["answers"]] == ["How high?", "Who?"]


def test_compare_shows_the_baselines_with_times(document: Path, model_options: list[object]) -> None:
    command = ("ask", document, "--compare", "-q", "Who?", "--max-tokens", 4, *model_options)
    output = succeed(*command)
    assert all(side in output for side in ("Who?", "adapter", "base alone", "document in prompt", " s "))
    answer = json.loads(succeed(*command, "--json"))["answers"][0]
    sides = [answer, answer["base_alone"], answer["document_in_prompt"]]
    assert all(side["seconds"] > 0 and isinstance(side["answer"], str) for side in sides)


def test_compare_says_when_the_document_is_longer_than_the_window(tmp_path: Path, model_options: list[object]) -> None:
    (tmp_path / "long.txt").write_text(TOWER_TEXT * 20)
    output = succeed("ask", tmp_path / "long.txt", "--compare", "-q", "Who?", "--max-tokens", 4, *model_options)
    assert "longer than the base's window" in output


def test_chat_finds_the_base_of_its_adapter(adapter_dir: Path, hypernetwork_dir: Path) -> None:
    options = ("--hypernetwork", hypernetwork_dir, "--max-tokens", 4)
    output = succeed("chat", "--adapter", adapter_dir, "-q", "Who?", "--json", *options)
    assert json.loads(output)["answers"][0]["question"] == "Who?"


def type_in_chat(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Make a command find a person at the terminal, who types these lines."""
    monkeypatch.setattr("lorify.commands.asking.questions.is_interactive", lambda: True)
    typed = iter(lines)

    def read(_prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)


def test_a_chat_answers_a_person_and_remembers(adapter_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in_chat(monkeypatch, "Who?", "", "Wie hei\udcdft er?", "/help", "How high?")
    monkeypatch.setattr(Answerer, "stream", lambda *_args: iter([" Nora"]))
    monkeypatch.setattr(Answerer, "answer", lambda *_args, **_options: [Answer("Nora", True)])
    asked: list[list[str]] = []
    chat_request = Answerer.chat_request

    def ask(self: Answerer, messages: Sequence[Message], *args: Any, **options: Any) -> AnswerRequest:
        asked.append([message["content"] for message in messages])
        return chat_request(self, messages, *args, **options)

    monkeypatch.setattr(Answerer, "chat_request", ask)
    result = run("chat", "--adapter", f"{adapter_dir}=0.5")
    assert result.stdout.split() == ["Nora", "Nora"]
    assert asked == [["Who?"], ["Who?", "Nora", "How high?"]]
    assert "type a question" in result.stderr and "not UTF-8" in result.stderr


@pytest.mark.parametrize("word", ["/quit", "exit"])
def test_a_word_ends_a_chat(adapter_dir: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    type_in_chat(monkeypatch, word, "Who?")
    assert succeed("chat", "--adapter", adapter_dir) == ""


def test_a_chat_has_the_notes_and_sources_of_other_answers(
    document: Path, model_options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("ask", document, "--sources", "--max-tokens", 4, *model_options)
    for question in ("Qqq zzz xxx?", "Who built the tower of Elmstead?"):
        expected = run(*asked, "-q", question)
        with monkeypatch.context() as patch:
            type_in_chat(patch, question)
            chatted = run(*asked)
        assert chatted.stdout.strip() == expected.stdout.strip()
        assert [line for line in chatted.stderr.splitlines() if line.startswith("note:")] == [
            line for line in expected.stderr.splitlines() if line.startswith("note:")
        ]


def test_adapter_documents_come_and_go(
    tmp_path: Path, adapter_dir: Path, model_options: list[object], hypernetwork_dir: Path
) -> None:
    before = json.loads(succeed("adapter", "show", adapter_dir, "--json"))
    (tmp_path / "more.md").write_text("# Bridge\n\nThe bridge opened in 1950.\n")
    added = succeed("adapter", "add", adapter_dir, tmp_path / "more.md", "--hypernetwork", hypernetwork_dir)
    assert added.split() == ["tower.txt", "more.md"]
    assert "more.md" in succeed("adapter", "show", adapter_dir)
    removed = succeed("adapter", "remove", adapter_dir, "more.md", *model_options)
    assert removed.split() == ["tower.txt"]
    after = json.loads(succeed("adapter", "show", adapter_dir, "--json"))
    assert after["documents"] == before["documents"]
    assert [d["name"] for d in after["documents"]] == ["tower.txt"]


@pytest.mark.parametrize("keep", ["tokens", "index", "none"])
def test_what_is_kept_is_a_choice_and_shown(
    tmp_path: Path, document: Path, model_options: list[object], keep: str
) -> None:
    succeed("internalize", document, "-o", tmp_path / "kept", "--keep", keep, *model_options)
    shown = json.loads(succeed("adapter", "show", tmp_path / "kept", "--json"))
    assert [d["keeps"] for d in shown["documents"]] == [keep]
    assert f"keeps {keep}" in succeed("adapter", "show", tmp_path / "kept")


def test_merge_and_export_write_folders_others_can_read(
    tmp_path: Path, adapter_dir: Path, hypernetwork_dir: Path
) -> None:
    option = ("--hypernetwork", hypernetwork_dir)
    succeed("adapter", "export", adapter_dir, "-o", tmp_path / "peft", *option)
    assert json.loads((tmp_path / "peft" / "adapter_config.json").read_text())["peft_type"] == "LORA"
    succeed("adapter", "merge", f"{adapter_dir}=0.5", "-o", tmp_path / "merged", *option)
    assert load_base(str(tmp_path / "merged")).num_layers == 2


def test_models_lists_the_default_base_and_what_ships_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHIPPED_TASK_HYPERNETWORKS, DEFAULT_BASE, tmp_path)
    bases = {entry["name"]: entry for entry in json.loads(succeed("models", "--json"))["bases"]}
    assert bases["smollm2-135m"]["hypernetwork"] is True and bases["smollm2-135m"]["task_hypernetwork"] is True
    shown = succeed("models")
    assert "smollm2-135m" in shown and "for documents and one for task descriptions" in shown


def test_train_defaults_are_a_config(tmp_path: Path) -> None:
    listed = succeed("train", "--defaults")
    assert "optimization.learning_rate=0.002" in listed and "Peak learning rate of AdamW." in listed
    written = succeed("train", "--defaults", "--json")
    assert AssociativeTrainingConfig.model_validate_json(written) == AssociativeTrainingConfig()  # pyright: ignore[reportCallIssue]


@pytest.fixture
def training_config(tmp_path: Path, base_dir: Path) -> Path:
    path = tmp_path / "config.json"
    config = {
        "base": str(base_dir),
        "hypernetwork": {"first_layer": 0, "last_layer": 1, "rank": 4, "width": 8, "chunk_tokens": 64},
        "data": {"facts": 0, "questions": 0, "niah": 2, "niah_min_tokens": 120, "niah_max_tokens": 200}
        | {"general_answer_tokens": 1, "general_probability": 1.0},
        "optimization": {"steps": 3, "warmup_steps": 1},
        "evaluate_every": 2,
        "evaluation_batches": 1,
        "checkpoint_every": 1,
    }
    path.write_text(json.dumps(config))
    return path


def test_train_writes_a_hypernetwork_that_answers(
    tmp_path: Path, training_config: Path, document: Path, base_dir: Path
) -> None:
    best = succeed("train", training_config, "-o", tmp_path / "run", "--set", "optimization.steps=2").strip()
    assert best == str(tmp_path / "run" / "best")
    command = ("ask", document, "-q", "Who?", "--max-tokens", 2, "--base", base_dir)
    succeed(*command, "--hypernetwork", best)


def test_interrupted_training_says_how_to_go_on(
    tmp_path: Path, training_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", training_config, "-o", tmp_path / "run")
    loss = AssociativeObjective.loss

    def interrupted(self: AssociativeObjective, batch: int):
        if batch == 1:
            raise KeyboardInterrupt
        return loss(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(AssociativeObjective, "loss", interrupted)
        result = run(*command)
    assert result.exit_code == 130
    assert "stopped at step 1; the same command resumes from the last checkpoint" in result.stderr
    result = run(*command)
    assert result.exit_code == 0 and "resuming from step 1" in result.stderr
