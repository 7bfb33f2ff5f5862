import json
import os

import pytest
import torch
from adapters.random_adapters import assert_same, random_adapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorify.adapters import load_adapter, save_adapter
from lorify.errors import AdapterError

FILES = ("adapter.json", "adapter.safetensors", "statistics.safetensors")


@pytest.fixture
def saved(base, tmp_path):
    folder = tmp_path / "adapter"
    save_adapter(random_adapter(base, num_documents=2), folder)
    return folder


def edit_record(folder, **changes):
    path = folder / "adapter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 100),
    rank=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    lora_alpha=st.floats(1e-3, 1e3),
    num_documents=st.integers(0, 3),
)
def test_round_trip_is_bitwise(base, tmp_path, seed, rank, dtype, lora_alpha, num_documents):
    adapter = random_adapter(
        base, seed, rank=rank, dtype=dtype, lora_alpha=lora_alpha, num_documents=num_documents, shared_seed=1
    )
    save_adapter(adapter, tmp_path / "adapter")
    loaded = load_adapter(tmp_path / "adapter")
    assert_same(adapter, loaded)
    assert adapter.statistics is not None and loaded.statistics is not None
    assert len(adapter.statistics) == len(loaded.statistics)
    for a, b in zip(adapter.statistics, loaded.statistics, strict=True):
        assert a.tensors.keys() == b.tensors.keys()
        assert all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


def test_views_of_shared_memory_can_be_saved(base, tmp_path):
    adapter = random_adapter(base, keys=((0, "down_proj"), (1, "down_proj")))
    A = torch.randn(96, 4).T
    weights = {key: type(pair)(A, pair.B) for key, pair in adapter.weights.items()}
    shared = type(adapter)(weights, adapter.lora_alpha, adapter.provenance)
    save_adapter(shared, tmp_path / "adapter")
    loaded = load_adapter(tmp_path / "adapter")
    assert_same(shared, loaded)
    assert loaded.statistics is None


def test_an_adapter_is_replaced_and_nothing_is_left_beside_it(base, saved):
    plain = random_adapter(base, 5, num_documents=0)
    save_adapter(type(plain)(plain.weights, plain.lora_alpha, plain.provenance), saved)
    assert_same(load_adapter(saved), plain)
    assert sorted(os.listdir(saved)) == ["adapter.json", "adapter.safetensors"]
    assert os.listdir(saved.parent) == ["adapter"]


def test_an_empty_folder_is_taken(base, tmp_path):
    (tmp_path / "new").mkdir()
    save_adapter(random_adapter(base), tmp_path / "new")
    assert sorted(os.listdir(tmp_path / "new")) == list(FILES)


def test_a_folder_with_other_files_is_left_alone(base, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(AdapterError, match=r"thesis\.txt"):
        save_adapter(random_adapter(base), tmp_path)
    with pytest.raises(AdapterError, match="is a file"):
        save_adapter(random_adapter(base), tmp_path / "thesis.txt")
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_failed_write_keeps_the_old_adapter(base, saved, monkeypatch):
    before = load_adapter(saved)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(AdapterError, match="the disk is full"):
        save_adapter(random_adapter(base, 9), saved)
    assert os.listdir(saved.parent) == ["adapter"]
    assert_same(load_adapter(saved), before)


def test_a_failed_exchange_of_folders_puts_the_old_adapter_back(base, saved, monkeypatch):
    before = load_adapter(saved)
    rename = os.replace
    calls = []

    def fail_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(source, target)

    monkeypatch.setattr(os, "replace", fail_second)
    with pytest.raises(AdapterError, match="Input/output error"):
        save_adapter(random_adapter(base, 9), saved)
    assert os.listdir(saved.parent) == ["adapter"]
    assert_same(load_adapter(saved), before)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "one bit"])
def test_damage_is_noticed(saved, name, damage):
    path = saved / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "one bit" and name != "adapter.json":
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    with pytest.raises(AdapterError) as caught:
        load_adapter(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_two_adapters_do_not_mix(base, saved, tmp_path):
    save_adapter(random_adapter(base, 8), tmp_path / "other")
    (saved / "adapter.safetensors").write_bytes((tmp_path / "other" / "adapter.safetensors").read_bytes())
    with pytest.raises(AdapterError, match="belongs to another adapter"):
        load_adapter(saved)


def test_other_folders_are_no_adapters(tmp_path):
    with pytest.raises(AdapterError, match="no adapter folder"):
        load_adapter(tmp_path / "nowhere")
    with pytest.raises(AdapterError, match="is not an adapter"):
        load_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match="PEFT adapter"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format_version": 3}, "format version 3, expected 2; update lorify"),
        ({"weights_sha256": None, "statistics_sha256": None}, "neither weights nor statistics"),
        ({"lora_alpha": -1}, r"damaged \(lora_alpha"),
        ({"extra": 1}, r"damaged \(extra"),
        ({"modules": []}, r"damaged \(modules"),
    ],
)
def test_a_wrong_record_is_refused(saved, changes, complaint):
    edit_record(saved, **changes)
    with pytest.raises(AdapterError, match=complaint):
        load_adapter(saved)


def test_tensors_of_other_shapes_than_recorded_are_refused(saved):
    modules = json.loads((saved / "adapter.json").read_text())["modules"]
    edit_record(saved, modules=[modules[0] | {"d_in": 7}, *modules[1:]])
    with pytest.raises(AdapterError, match=r"0\.down_proj\.lora_A is \(4, 96\), but adapter\.json says \(4, 7\)"):
        load_adapter(saved)
    edit_record(saved, modules=modules[1:])
    with pytest.raises(AdapterError, match="there is none"):
        load_adapter(saved)


def test_a_saved_folder_and_its_files_have_the_permissions_of_any_new_ones(saved):
    (saved.parent / "new").mkdir()
    (saved.parent / "new" / "file").touch()
    assert saved.stat().st_mode == (saved.parent / "new").stat().st_mode
    wanted = (saved.parent / "new" / "file").stat().st_mode
    assert {path.name: path.stat().st_mode for path in saved.iterdir()} == dict.fromkeys(FILES, wanted)
