"""Scripts of the repository, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training.tiny_associative_run import tiny_config

from lorify.hypernets.associative.kind import ASSOCIATIVE

ROOT = Path(__file__).parent.parent
PARTS_PATH = ROOT / "scripts" / "parts.py"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PARTS_PATH, *map(str, args)], capture_output=True, text=True, check=False)


def test_parts_are_joined_and_damage_is_found(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "weights").write_bytes(content)
    assert run("split", tmp_path / "best", tmp_path / "parts").returncode == 0
    assert run("join", tmp_path / "parts", tmp_path / "joined").returncode == 0
    assert (tmp_path / "joined" / "weights").read_bytes() == content
    (tmp_path / "parts" / "part-00").write_bytes(b"damaged")
    result = run("join", tmp_path / "parts", tmp_path / "again")
    assert result.returncode == 1 and "part-00 is missing or damaged" in result.stderr
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_the_prepared_run_trains_for_a_given_time_continues_and_sends_its_result_in_parts(
    base_dir: Path, tmp_path: Path
) -> None:
    config = tiny_config(steps=1000).model_dump(mode="json") | {"base": str(base_dir)}
    config["data"] |= {"questions": 0, "texts": 0}
    (tmp_path / "run.json").write_text(json.dumps(config))
    variables = {"BIN": Path(sys.executable).parent, "READY": "", "SECONDS": 2, "RECIPE": tmp_path / "run.json"}
    command = ["make", "train-budget", f"RUN={tmp_path / 'run'}", *(f"{k}={v}" for k, v in variables.items())]
    steps = []
    for _ in range(2):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert "tokens/s" in result.stderr and "steps/s, data" in result.stderr
        steps.append(torch.load(tmp_path / "run" / "checkpoint" / "state.pt", weights_only=True)["step"])
    assert 0 < steps[0] < steps[1]
    assert all(part.stat().st_size < 16 << 20 for part in (tmp_path / "run.parts").iterdir())
    assert run("join", tmp_path / "run.parts", tmp_path / "joined").returncode == 0
    assert ASSOCIATIVE.load(tmp_path / "joined")[0].base_digest
