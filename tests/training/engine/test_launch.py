import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lorify.cli import app


@pytest.mark.parametrize(
    ("variable", "option"), [("ACCELERATE_USE_FSDP", "--use_fsdp"), ("ACCELERATE_USE_DEEPSPEED", "--use_deepspeed")]
)
def test_sharding_by_accelerate_is_refused(variable, option, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, "true")
    (tmp_path / "config.json").write_text("{}")
    result = CliRunner().invoke(app, ["train", str(tmp_path / "config.json"), "-o", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert f"{option} does nothing" in result.stderr and "set sharded to true" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_launch_of_several_processes_that_starts_one_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--no_python"]
    lorify = str(Path(sys.executable).with_name("lorify"))
    result = subprocess.run(
        [*launch, lorify, "train", str(tmp_path / "config.json"), "-o", str(tmp_path / "run")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "started one process instead of several" in result.stderr and "torchrun" in result.stderr
    assert not (tmp_path / "run").exists()
