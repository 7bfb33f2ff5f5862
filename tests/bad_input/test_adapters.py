"""Bad input through the command line: adapters."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bad_input_helpers import Fail, run, snapshot, truncate
from safetensors.torch import load_file, save_file
from tiny import tiny_associative_config

from lorify.adapters import storage
from lorify.base.loading import load_base
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork


def rewrite_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Other weights, with a record that vouches for them."""
    storage.write_tensors(tensors, folder / storage.WEIGHTS_NAME)
    digest = hashlib.sha256((folder / storage.WEIGHTS_NAME).read_bytes()).hexdigest()
    rewrite_record(folder, weights_sha256=digest)


def rewrite_record(folder: Path, **changes: object) -> None:
    record = json.loads((folder / storage.RECORD_NAME).read_text())
    (folder / storage.RECORD_NAME).write_text(json.dumps(record | changes))


def held_weights(folder: Path) -> Path:
    """Give an adapter weights of its own, as a refined one has, and return their file."""
    tensors: dict[str, torch.Tensor] = {}
    for entry in json.loads((folder / storage.RECORD_NAME).read_text())["modules"]:
        name = f"{entry['layer']}.{entry['module']}"
        tensors[f"{name}.lora_A"] = torch.ones(entry["rank"], entry["d_in"])
        tensors[f"{name}.lora_B"] = torch.ones(entry["d_out"], entry["rank"])
    rewrite_weights(folder, tensors)
    return folder / storage.WEIGHTS_NAME


def halve_weights(folder: Path) -> None:
    tensors = load_file(held_weights(folder))
    rewrite_weights(folder, {name: tensor[: len(tensor) // 2] for name, tensor in tensors.items()})


DAMAGED_ADAPTERS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: truncate(held_weights(folder)), storage.WEIGHTS_NAME),
    (lambda folder: truncate(folder / storage.STATISTICS_NAME), storage.STATISTICS_NAME),
    (lambda folder: truncate(folder / storage.RECORD_NAME), storage.RECORD_NAME),
    (lambda folder: (folder / storage.RECORD_NAME).write_bytes(b"\xff\xfe\x00"), storage.RECORD_NAME),
    (lambda folder: (folder / storage.RECORD_NAME).write_text("[1, 2]"), storage.RECORD_NAME),
    (lambda folder: rewrite_record(folder, lora_alpha=-1), "lora_alpha"),
    (lambda folder: rewrite_record(folder, format_version=99), "update lorify"),
    (lambda folder: held_weights(folder).unlink(), storage.WEIGHTS_NAME),
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
    base = load_base(str(other))
    config = tiny_associative_config(base, 32)
    ASSOCIATIVE.save(tmp_path / "of-other-base", config, AssociativeHypernetwork(config))
    for command in (
        ["chat", "--adapter", adapter_dir, "-q", "Who?"],
        ["adapter", "merge", adapter_dir, "-o", tmp_path / "out"],
        ["adapter", "export", adapter_dir, "-o", tmp_path / "out"],
        ["adapter", "add", adapter_dir, document],
        ["adapter", "remove", adapter_dir, "tower.txt"],
    ):
        line = fail(*command, "--base", other, "--hypernetwork", tmp_path / "of-other-base")
        assert str(base_dir) in line and "other-base" in line


def test_an_adapter_of_another_hypernetwork(
    tmp_path: Path, document: Path, hypernetwork_dir: Path, model_options: list[object], fail: Fail
) -> None:
    adapter_dir = tmp_path / "without tokens"
    assert run("internalize", document, "-o", adapter_dir, "--keep", "none", *model_options).exit_code == 0
    config, hypernetwork = ASSOCIATIVE.load(hypernetwork_dir)
    with torch.no_grad():
        next(hypernetwork.parameters()).add_(1)
    ASSOCIATIVE.save(tmp_path / "other-hypernet", config, hypernetwork)
    out = ["-o", tmp_path / "out"]
    for command in (["merge", adapter_dir, *out], ["export", adapter_dir, *out]):
        line = fail("adapter", *command)
        assert "rebuilt by the hypernetwork that made it" in line and "--hypernetwork" in line
        line = fail("adapter", *command, "--hypernetwork", tmp_path / "other-hypernet")
        assert "not by other-hypernet" in line and "internalize its documents again" in line
    for command in (["add", adapter_dir, document], ["remove", adapter_dir, "tower.txt"]):
        line = fail("adapter", *command, "--hypernetwork", tmp_path / "other-hypernet")
        assert "not by other-hypernet" in line and "internalize its documents again" in line


def test_damaged_adapter(adapter_dir: Path, fail: Fail) -> None:
    path = held_weights(adapter_dir)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for command in (["adapter", "show", adapter_dir], ["chat", "--adapter", adapter_dir, "-q", "Who?"]):
        assert "adapter.safetensors" in fail(*command)


def test_folder_that_is_no_adapter(tmp_path: Path, fail: Fail) -> None:
    assert "adapter.json" in fail("adapter", "show", tmp_path)
    assert "absent" in fail("chat", "--adapter", tmp_path / "absent", "-q", "Who?")


def test_adapter_of_another_base(
    tmp_path: Path, adapter_dir: Path, base_dir: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    other = tmp_path / "other"
    assert run("adapter", "merge", adapter_dir, "-o", other, "--hypernetwork", hypernetwork_dir).exit_code == 0
    line = fail("chat", "--adapter", adapter_dir, "-q", "Who?", "--base", other)
    assert str(base_dir) in line and "--base" in line


def test_bad_scale(adapter_dir: Path, fail: Fail) -> None:
    assert "'much'" in fail("chat", "--adapter", f"{adapter_dir}=much", "-q", "Who?")


def test_output_that_holds_something_else(
    tmp_path: Path, document: Path, model_options: list[object], fail: Fail
) -> None:
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "one.jpg").write_text("a photo")
    assert "photos" in fail("internalize", document, "-o", precious, *model_options)
    assert set(snapshot(precious)) == {"one.jpg"}


def test_unknown_document_name(adapter_dir: Path, model_options: list[object], fail: Fail) -> None:
    before = (adapter_dir / "adapter.json").read_bytes()
    line = fail("adapter", "remove", adapter_dir, "absent.txt", *model_options)
    assert "absent.txt" in line and "tower.txt" in line
    assert (adapter_dir / "adapter.json").read_bytes() == before
