"""Where ONNX Runtime decodes, and what is cached for it."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from adapters.random_adapters import random_adapter
from tiny import tiny_model, tiny_tokenizer
from tiny_quantized import quantized_base, quantized_model, row_quantized_adapter, with_due_session

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.onnx.graph_files import graph_folder
from lorify.base.decoding.onnx.session import DECODING_VARIABLE, find_session
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(DECODING_VARIABLE, raising=False)
    return tmp_path / "cache"


def answer(base: BaseLM, *adapters: Adapter) -> list[int]:
    lora = build_lora_batch(adapters, base) if adapters else None
    return generate_batch(base, [[5, 6, 7]], GenerationOptions(12), lora=lora, stop_ids=set())[0]


def test_the_graph_is_cached_by_the_digest_of_the_weights(cache: Path) -> None:
    first, other = quantized_base(0), quantized_base(1)
    assert answer(first) != answer(other)
    assert sorted((cache / "decoding").iterdir()) == sorted([graph_folder(first), graph_folder(other)])
    before = {path: path.stat().st_mtime_ns for path in graph_folder(first).iterdir()}
    assert answer(quantized_base(0)) == answer(first)
    assert {path: path.stat().st_mtime_ns for path in graph_folder(first).iterdir()} == before


@pytest.mark.parametrize("damage", ["half", "gone", "other bytes", "empty"])
@pytest.mark.parametrize("name", ["*.onnx", "weights.bin", "layout.json"])
def test_a_damaged_cache_is_written_again(name: str, damage: str) -> None:
    base = quantized_base()
    expected = answer(base)
    (path,) = graph_folder(base).glob(name)
    whole = path.read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "other bytes": bytes(len(whole)), "empty": b""}
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    again = quantized_base()
    assert find_session(again) is not None
    assert answer(again) == expected
    assert path.read_bytes() == whole


def test_the_cached_weights_of_another_base_are_not_used() -> None:
    answer(with_due_session(quantized_model(0), "d" * 64))
    second = with_due_session(quantized_model(1), "d" * 64)
    assert answer(second) == answer(quantized_base(1))


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache.write_text("not a folder")
    base = quantized_base()
    with caplog.at_level(logging.WARNING):
        first = answer(base)
        assert answer(base) == first
    (record,) = caplog.records
    assert "LORIFY_CACHE" in record.getMessage()
    assert find_session(base) is not None


def test_pytorch_decodes_if_onnx_runtime_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, cache: Path
) -> None:
    expected = answer(quantized_base())
    shutil.rmtree(cache)

    def fail(*_args: object, **_options: object) -> None:
        raise RuntimeError("no such node on this CPU")

    monkeypatch.setattr("onnxruntime.InferenceSession", fail)
    base = quantized_base()
    with caplog.at_level(logging.WARNING):
        assert answer(base) == answer(base) == expected
    (record,) = caplog.records
    assert "no such node on this CPU" in record.getMessage()
    assert not cache.exists()


def test_changed_weights_are_not_decoded_by_an_older_session() -> None:
    base, other = quantized_base(0), quantized_base(1)
    answer(base)
    base.model.load_state_dict(other.model.state_dict())
    assert answer(base) == answer(other)


def test_pytorch_decodes_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert answer(quantized_base())
    assert not cache.exists()


def test_other_bases_are_left_to_pytorch(cache: Path) -> None:
    others = {
        "off any grid": tiny_model(),
        "norms of queries": tiny_model("qwen3"),
        "biases": tiny_model("qwen2"),
        "bfloat16": quantized_model().to(dtype=torch.bfloat16),
    }
    for kind, model in others.items():
        assert find_session(with_due_session(model, "b" * 64)) is None, kind
    assert not cache.exists()


def test_a_missing_package_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    base = quantized_base()
    assert find_session(base) is None
    assert answer(base)


def test_a_shared_factor_is_part_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    base = quantized_base()
    first, second = (row_quantized_adapter(base, seed) for seed in (1, 2))
    answers = [answer(base, first), answer(base, second), answer(base)]
    step = find_session(base)
    assert step is not None
    assert set(step.updates.constant) == set(first.weights)
    assert not step.updates.free  # one session has served all three
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert [answer(base, first), answer(base, second), answer(base)] == answers


def test_other_updates_open_a_wider_session(monkeypatch: pytest.MonkeyPatch) -> None:
    base = quantized_base()
    shared, other = row_quantized_adapter(base, 1), random_adapter(base, 3)
    answers = [answer(base), answer(base, shared), answer(base, other)]
    step = find_session(base)
    assert step is not None
    assert set(step.updates.constant) == set(shared.weights)
    assert set(step.updates.free) > {(1, "q_proj")}
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert [answer(base), answer(base, shared), answer(base, other)] == answers


def test_graphs_of_a_base_share_its_weights() -> None:
    base = quantized_base()
    answer(base)
    assert answer(base, random_adapter(base, 3))
    names = sorted(path.suffix for path in graph_folder(base).iterdir())
    assert names == [".bin", ".json", ".onnx", ".onnx"]
    again = quantized_base()
    assert answer(again, random_adapter(again, 3)) == answer(base, random_adapter(base, 3))


def test_a_session_is_opened_in_the_course_of_a_long_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    base = BaseLM(quantized_model(), tiny_tokenizer(), name="quantized", digest="a" * 64)

    def answer_of(num: int) -> list[list[int]]:
        return generate_batch(base, [[5, 6, 7], [8, 9]], GenerationOptions(num), lora=None, stop_ids=set())

    answer_of(5)
    assert find_session(base) is None
    assert not graph_folder(base).exists()
    answers = answer_of(30)
    assert find_session(base) is not None
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert answer_of(30) == answers
