"""The command line on a tiny random base: results, and bad input answered in one line."""

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors import SafetensorError
from tiny import tiny_associative_config, tiny_model, tiny_tokenizer
from typer.testing import CliRunner, Result

import lorify.facade
from lorify.base.files import DEFAULT_BASE
from lorify.base.model import load_base
from lorify.cli import app
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.engine.loop import Trainer

TEXT = "The tower of Elmstead was built in 1911. It is 48 metres high. Its architect was Nora Quill.\n"


@pytest.fixture(scope="module", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hypernetwork_dir(base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hypernetwork") / "tiny"
    base = load_base(str(base_dir), device="cpu")
    config = tiny_associative_config(base, 32)
    ASSOCIATIVE.save(folder, config, AssociativeHypernetwork(config))
    return folder


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "tower.txt"
    path.write_text(TEXT)
    return path


def run(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def succeed(*args: object, stdin: str | None = None) -> str:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*args: object, stdin: str | None = None) -> str:
    """The one line of a refused command."""
    result = run(*args, stdin=stdin)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


@pytest.fixture
def model_options(base_dir: Path, hypernetwork_dir: Path) -> list[object]:
    return ["--base", base_dir, "--hypernetwork", hypernetwork_dir]


@pytest.fixture
def adapter_dir(tmp_path: Path, document: Path, model_options: list[object]) -> Path:
    folder = tmp_path / "adapter"
    succeed("internalize", document, "-o", folder, *model_options)
    return folder


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# Results


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


def test_ask_answers_each_question(document: Path, model_options: list[object]) -> None:
    output = succeed("ask", document, "-q", "How high?", "-q", "Who?", "--max-tokens", 4, *model_options)
    assert "Q: How high?" in output and "Q: Who?" in output


def test_ask_reads_the_document_from_standard_input(model_options: list[object]) -> None:
    output = succeed("ask", "-", "-q", "Who?", "--max-tokens", 4, "--json", *model_options, stdin=TEXT)
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
    (tmp_path / "long.txt").write_text(TEXT * 20)
    output = succeed("ask", tmp_path / "long.txt", "--compare", "-q", "Who?", "--max-tokens", 4, *model_options)
    assert "longer than the base's window" in output


def test_chat_finds_the_base_of_its_adapter(adapter_dir: Path) -> None:
    output = succeed("chat", "--adapter", adapter_dir, "-q", "Who?", "--max-tokens", 4, "--json")
    assert json.loads(output)["answers"][0]["question"] == "Who?"


def test_chat_streams_to_a_person(adapter_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorify.commands.questions.is_interactive", lambda: True)
    typed = iter(["Who?", "", "Wie hei\udcdft er?", "How high?"])

    def read(_prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    asked: list[list[str]] = []
    monkeypatch.setattr(
        lorify.facade.Lorify,
        "stream",
        lambda _self, messages, *_args, **_kwargs: asked.append([m["content"] for m in messages]) or iter([" Nora"]),
    )
    output = succeed("chat", "--adapter", f"{adapter_dir}=0.5")
    assert output.split() == ["Nora", "Nora"]
    assert asked == [["Who?"], ["Who?", "Nora", "How high?"]]


def test_adapter_documents_come_and_go(
    tmp_path: Path, adapter_dir: Path, model_options: list[object], hypernetwork_dir: Path
) -> None:
    before = json.loads(succeed("adapter", "show", adapter_dir, "--json"))
    (tmp_path / "more.md").write_text("# Bridge\n\nThe bridge opened in 1950.\n")
    added = succeed("adapter", "add", adapter_dir, tmp_path / "more.md", "--hypernetwork", hypernetwork_dir)
    assert added.split() == ["tower.txt", "more.md"]
    assert "2" in succeed("adapter", "show", adapter_dir)
    removed = succeed("adapter", "remove", adapter_dir, "more.md", *model_options)
    assert removed.split() == ["tower.txt"]
    after = json.loads(succeed("adapter", "show", adapter_dir, "--json"))
    assert after["documents"] == before["documents"]
    assert [d["name"] for d in after["documents"]] == ["tower.txt"]


def test_merge_and_export_write_folders_others_can_read(tmp_path: Path, adapter_dir: Path) -> None:
    succeed("adapter", "export", adapter_dir, "-o", tmp_path / "peft")
    assert json.loads((tmp_path / "peft" / "adapter_config.json").read_text())["peft_type"] == "LORA"
    succeed("adapter", "merge", f"{adapter_dir}=0.5", "-o", tmp_path / "merged")
    assert load_base(str(tmp_path / "merged"), device="cpu").num_layers == 2


def test_models_lists_the_default_base_and_what_ships_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lorify.facade.SHIPPED_TASK_HYPERNETWORKS, DEFAULT_BASE, tmp_path)
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
    step = Trainer._train_step

    def interrupted(self: Trainer):
        if self.step == 1:
            raise KeyboardInterrupt
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_step", interrupted)
        result = run(*command)
    assert result.exit_code == 130
    assert "stopped at step 1; the same command resumes from the last checkpoint" in result.stderr
    result = run(*command)
    assert result.exit_code == 0 and "resuming from step 1" in result.stderr


# Bad input


def test_missing_document(tmp_path: Path, model_options: list[object]) -> None:
    line = fail("ask", tmp_path / "absent.pdf", "-q", "Who?", *model_options)
    assert "absent.pdf" in line


def test_empty_document(tmp_path: Path, model_options: list[object]) -> None:
    (tmp_path / "empty.txt").write_text("  \n")
    assert "empty.txt" in fail("ask", tmp_path / "empty.txt", "-q", "Who?", *model_options)


def test_binary_document_leaves_no_adapter(tmp_path: Path, model_options: list[object]) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 20)
    before = listing(tmp_path)
    assert "noise.bin" in fail("internalize", tmp_path / "noise.bin", "-o", tmp_path / "out", *model_options)
    assert listing(tmp_path) == before


def test_folder_as_a_document(tmp_path: Path, model_options: list[object]) -> None:
    assert str(tmp_path) in fail("ask", tmp_path, "-q", "Who?", *model_options)


def test_standard_input_cannot_hold_document_and_questions() -> None:
    assert "-q" in fail("ask", "-", stdin=TEXT)


def test_no_question(document: Path) -> None:
    assert "-q" in fail("ask", document, stdin="")


def test_unknown_base(tmp_path: Path, document: Path) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", tmp_path / "no-such-base")
    assert "no-such-base" in line


def test_base_without_a_hypernetwork(document: Path, base_dir: Path) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", base_dir)
    assert "--hypernetwork" in line and "lorify train" in line


def test_hypernetwork_of_another_base(tmp_path: Path, document: Path, base_dir: Path, hypernetwork_dir: Path) -> None:
    config = json.loads((hypernetwork_dir / "config.json").read_text())
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text(json.dumps(config | {"base_digest": "0" * 64, "base_name": "elsewhere"}))
    weights = (hypernetwork_dir / "hypernetwork.safetensors").read_bytes()
    (foreign / "hypernetwork.safetensors").write_bytes(weights)
    command = ("ask", document, "-q", "Who?", "--base", base_dir, "--hypernetwork", foreign)
    assert "elsewhere" in fail(*command)
    (foreign / "hypernetwork.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "damaged" in fail(*command)


def test_damaged_adapter(adapter_dir: Path) -> None:
    path = adapter_dir / "adapter.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for command in (["adapter", "show", adapter_dir], ["chat", "--adapter", adapter_dir, "-q", "Who?"]):
        assert "adapter.safetensors" in fail(*command)


def test_folder_that_is_no_adapter(tmp_path: Path) -> None:
    assert "adapter.json" in fail("adapter", "show", tmp_path)
    assert "absent" in fail("chat", "--adapter", tmp_path / "absent", "-q", "Who?")


def test_adapter_of_another_base(tmp_path: Path, adapter_dir: Path, base_dir: Path) -> None:
    other = tmp_path / "other"
    succeed("adapter", "merge", adapter_dir, "-o", other)
    line = fail("chat", "--adapter", adapter_dir, "-q", "Who?", "--base", other)
    assert str(base_dir) in line and "--base" in line


def test_bad_scale(adapter_dir: Path) -> None:
    assert "'much'" in fail("chat", "--adapter", f"{adapter_dir}=much", "-q", "Who?")


def test_output_that_holds_something_else(tmp_path: Path, document: Path, model_options: list[object]) -> None:
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "one.jpg").write_text("a photo")
    assert "photos" in fail("internalize", document, "-o", precious, *model_options)
    assert listing(precious) == {"one.jpg"}


def test_unknown_document_name(adapter_dir: Path, model_options: list[object]) -> None:
    before = (adapter_dir / "adapter.json").read_bytes()
    line = fail("adapter", "remove", adapter_dir, "absent.txt", *model_options)
    assert "absent.txt" in line and "tower.txt" in line
    assert (adapter_dir / "adapter.json").read_bytes() == before


def test_all_problems_of_a_config_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"optimization": {"steps": -1, "stepz": 3}, "seed": "many"}))
    line = fail("train", path, "-o", tmp_path / "run")
    assert all(
        name in line for name in ("optimization.steps", "optimization.stepz: unknown key", "seed", "-1", "'many'")
    )
    assert not (tmp_path / "run").exists()


def test_bad_settings(tmp_path: Path, training_config: Path) -> None:
    command = ("train", training_config, "-o", tmp_path / "run")
    line = fail(*command, "--set", "optimization.stepz=3", "--set", "data.niah=none")
    assert "optimization.stepz: unknown key" in line and "data.niah" in line
    assert "KEY=VALUE" in fail(*command, "--set", "optimization.steps")
    assert not (tmp_path / "run").exists()


def test_config_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("steps: 3")
    assert "config.json" in fail("train", tmp_path / "config.json", "-o", tmp_path / "run")
    assert "absent.json" in fail("train", tmp_path / "absent.json", "-o", tmp_path / "run")
    assert "CONFIG" in fail("train")


def test_unusable_questions(tmp_path: Path, training_config: Path) -> None:
    config = json.loads(training_config.read_text())
    config["data"] |= {"questions": 2, "questions_path": str(tmp_path / "absent.jsonl")}
    training_config.write_text(json.dumps(config))
    assert "absent.jsonl" in fail("train", training_config, "-o", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_full_disk_leaves_nothing(
    tmp_path: Path, document: Path, model_options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(tmp_path)

    def full(tensors: object, path: Path, metadata: object = None) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    line = fail("internalize", document, "-o", tmp_path / "out", *model_options)
    assert "space" in line
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/somewhere/file"), "disk is full"),
        (RuntimeError("Error while serializing: No space left on device (os error 28)"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/somewhere/file"), "/somewhere/file"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "not enough memory",
        ),
        (IndexError("list index\nout of range"), "--debug"),
    ],
)
def test_any_error_is_one_line(
    error: Exception, expected: str, adapter_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_folder: Path) -> None:
        raise error

    monkeypatch.setattr("lorify.adapters.storage.load_adapter", broken)
    assert expected in fail("adapter", "show", adapter_dir)
    result = run("--debug", "adapter", "show", adapter_dir)
    assert result.exception is error


def test_interruption_is_no_traceback(adapter_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lorify.adapters.storage.load_adapter", interrupted)
    result = run("adapter", "show", adapter_dir)
    assert result.exit_code == 130 and result.stderr.strip() == "stopped"


def test_the_installed_command_exits_with_code_2_and_one_line(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("lorify")), "adapter", "show", str(tmp_path / "absent")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("error: ")
    assert "\x1b" not in result.stderr
