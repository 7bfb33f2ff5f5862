"""Bad input through the command line: folders that cannot be written, and full disks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bad_input_helpers import Fail, no_more_than, run, snapshot
from safetensors import SafetensorError
from safetensors.torch import save_file

from lorify.base.cache import cache_dir


def test_a_place_where_nothing_can_be_written(
    tmp_path: Path, document: Path, adapter_dir: Path, training_config: Path, model_options: list[object], fail: Fail
) -> None:
    below_a_file = document / "out"
    for command in (
        ["internalize", document, "-o", below_a_file, *model_options],
        ["adapter", "export", adapter_dir, "-o", below_a_file, *model_options],
        ["adapter", "merge", adapter_dir, "-o", below_a_file, *model_options],
        ["train", training_config, "-o", below_a_file],
        ["train", training_config, "-o", document],
    ):
        line = fail(*command)
        assert (str(document) in line and "folder" in line and "choose" in line) or "give a folder" in line, line


def test_a_write_that_the_system_refuses_in_the_middle(
    tmp_path: Path, document: Path, adapter_dir: Path, hypernetwork_dir: Path, model_options: list[object], fail: Fail
) -> None:
    for command in (
        ["internalize", document, "-o", tmp_path / "new" / "adapter", *model_options],
        ["internalize", document, "-o", adapter_dir, *model_options],
        ["adapter", "add", adapter_dir, document, "--hypernetwork", hypernetwork_dir],
        ["adapter", "merge", adapter_dir, "-o", tmp_path / "merged", *model_options],
        ["adapter", "export", adapter_dir, "-o", tmp_path / "exported", *model_options],
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
    assert "run the same command, which resumes" in line and "Traceback" not in result.stderr
    assert set(os.listdir(tmp_path / "run")) == {"config.json", "curves"}
    assert run(*command).exit_code == 0


def test_a_base_that_the_system_refuses_to_keep(
    tmp_path: Path, document: Path, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    weights = {"weight": torch.zeros(10_000)}
    monkeypatch.setattr("lorify.base.files.locate.check_complete", lambda _: None)
    monkeypatch.setattr(
        "lorify.base.files.locate.convert_gguf", lambda _, folder: save_file(weights, folder / "model.safetensors")
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

folder, commands = sys.argv[1], json.loads(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
results = []
for command in commands:
    result = CliRunner().invoke(app, command)
    files = [os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names]
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
    small = tmp_path / "small"
    small.mkdir()
    documents = [shutil.copy(document, tmp_path / f"tower{number}.txt") for number in range(20)]
    commands = [
        ["train", training_config, "-o", small / "run", "--set", "optimization.steps=3"],
        ["adapter", "merge", adapter_dir, "-o", small / "merged", *model_options],
        ["internalize", *documents, "-o", small / "adapter", *model_options],
    ]
    arguments = json.dumps([[str(word) for word in command] for command in commands])
    command = [*isolated, sys.executable, "-c", IN_A_SMALL_FILE_SYSTEM, str(small), arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    for code, stdout, stderr, files in json.loads(ended.stdout):
        assert code == 2 and stdout == ""
        line = stderr.splitlines()[-1]
        assert line.startswith("error: ") and "cannot be written (the disk is full)" in line, stderr
        assert not [name for name in files if not name.startswith(("run/config.json", "run/curves/"))]


def test_full_disk_leaves_nothing(
    tmp_path: Path, document: Path, model_options: list[object], monkeypatch: pytest.MonkeyPatch, fail: Fail
) -> None:
    before = snapshot(tmp_path)

    def full(tensors: object, path: Path, metadata: object = None) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    line = fail("internalize", document, "-o", tmp_path / "out", *model_options)
    assert "space" in line
    assert snapshot(tmp_path) == before
