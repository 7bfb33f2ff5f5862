"""`lorify train` on machines that multiply bfloat16."""

import json
from pathlib import Path

import pytest
import torch

from lorify.base import loading
from tests.test_cli import run
from tests.training.tiny_associative_run import tiny_config


@pytest.mark.parametrize("bf16", [None, True, False])
def test_a_run_computes_in_the_precision_that_its_config_asks_for(
    bf16: bool | None, base_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "best_dtype", lambda _device: torch.bfloat16)
    config = tiny_config(steps=1, bf16=bf16).model_dump(mode="json") | {"base": str(base_dir)}
    config["data"] |= {"questions": 0, "texts": 0, "general_probability": 0.0}
    (tmp_path / "run.json").write_text(json.dumps(config))
    result = run("train", tmp_path / "run.json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "best" / "hypernetwork.safetensors").is_file()
