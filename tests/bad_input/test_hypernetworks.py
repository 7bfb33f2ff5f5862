"""Bad input through the command line: hypernetworks."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input_helpers import Fail, other_config, truncate

from lorify.hypernets.checkpoint import WEIGHTS_NAME


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
        (other_config(rank=1 << 40), "weights do not fit its config"),
        (other_config(layers=[0] * 100_000), "weights do not fit its config"),
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


def test_hypernetwork_of_another_base(
    tmp_path: Path, document: Path, base_dir: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
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
