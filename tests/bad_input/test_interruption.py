"""Bad input through the command line: Ctrl-C leaves no half of anything."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from bad_input_helpers import run, snapshot, train


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


def test_sigterm_in_training_writes_a_checkpoint(tmp_path: Path, training_config: Path) -> None:
    command = [str(Path(sys.executable).with_name("lorify")), "train", str(training_config), "-o"]
    config = json.loads(training_config.read_text())
    config["optimization"]["steps"] = 60
    config["checkpoint_every"] = 1000
    training_config.write_text(json.dumps(config))
    process = subprocess.Popen(
        [*command, str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while not (tmp_path / "run" / "curves").exists():  # the first step begins
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.terminate()
        stdout, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143 and stdout == "" and "Traceback" not in stderr
    last = re.fullmatch(r"stopped at step (\d+); the same command resumes from there", stderr.splitlines()[-1])
    assert last is not None
    resumed = train(training_config, tmp_path / "run")
    assert resumed.exit_code == 0 and f"resuming from step {last[1]}" in resumed.stderr
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


def test_interruption_is_no_traceback(adapter_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lorify.adapters.storage.load_adapter", interrupted)
    result = run("adapter", "show", adapter_dir)
    assert result.exit_code == 130 and result.stderr.strip() == "stopped"
