"""Where compiled loops decode, and what is cached for them."""

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from adapters.random_adapters import random_adapter
from tiny import tiny_model, tiny_tokenizer
from tiny_quantized import quantized_base, quantized_model, row_quantized_adapter, with_due_session

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.decoding.compiled.session import DECODING_VARIABLE, find_compiled
from lorify.base.decoding.compiled.weights import weights_folder
from lorify.base.decoding.generation import generate_batch
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


def test_matrices_are_cached_by_the_digest_of_the_weights(cache: Path) -> None:
    first, other = quantized_base(0), quantized_base(1)
    assert answer(first) != answer(other)
    assert sorted((cache / "decoding").iterdir()) == sorted([weights_folder(first), weights_folder(other)])
    before = {path: path.stat().st_mtime_ns for path in weights_folder(first).iterdir()}
    assert answer(quantized_base(0)) == answer(first)
    assert {path: path.stat().st_mtime_ns for path in weights_folder(first).iterdir()} == before


@pytest.mark.parametrize("damage", ["half", "gone", "other bytes", "empty"])
@pytest.mark.parametrize("name", ["weights.bin", "layout.json"])
def test_a_damaged_cache_is_written_again(name: str, damage: str) -> None:
    base = quantized_base()
    expected = answer(base)
    (path,) = weights_folder(base).glob(name)
    whole = path.read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "other bytes": bytes(len(whole)), "empty": b""}
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    again = quantized_base()
    assert find_compiled(again) is not None
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
    assert find_compiled(base) is not None


def test_pytorch_decodes_if_numba_fails(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    expected = answer(quantized_base())
    monkeypatch.setitem(sys.modules, "lorify.base.decoding.compiled.opening", None)  # as if its import failed
    base = quantized_base()
    with caplog.at_level(logging.WARNING):
        assert answer(base) == answer(base) == expected
    (record,) = caplog.records
    assert "decoded by PyTorch, more slowly" in record.getMessage()


def test_changed_weights_are_brought_into_blocks_anew() -> None:
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
        assert find_compiled(with_due_session(model, "b" * 64)) is None, kind
    assert not cache.exists()


def test_a_missing_package_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    base = quantized_base()
    assert find_compiled(base) is None
    assert answer(base)


def test_answers_with_adapters_are_those_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    base = quantized_base()
    adapters = [row_quantized_adapter(base, 1), random_adapter(base, 3)]
    answers = [answer(base), *(answer(base, adapter) for adapter in adapters)]
    assert find_compiled(base) is not None
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert [answer(base), *(answer(base, adapter) for adapter in adapters)] == answers


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_threads_share_steps(num_threads: int) -> None:
    base, before = quantized_base(), torch.get_num_threads()
    expected = answer(base)
    torch.set_num_threads(num_threads)
    try:
        with ThreadPoolExecutor(3) as pool:  # answers at the same time do not mix
            assert list(pool.map(lambda _: answer(base), range(12))) == [expected] * 12
    finally:
        torch.set_num_threads(before)


def test_threads_that_help_sleep_between_steps() -> None:
    base, before = quantized_base(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        answer(base)
        helper = next(thread for thread in threading.enumerate() if thread.name == "lorify-decoding")
        assert helper.native_id is not None
        state = Path(f"/proc/self/task/{helper.native_id}/stat")
        if not state.exists():
            pytest.skip("no /proc")
        for _ in range(1000):  # it goes to sleep after the step it has helped with
            if state.read_text().rsplit(")", 1)[1].split()[0] == "S":
                return
        pytest.fail("a helper is busy without work")
    finally:
        torch.set_num_threads(before)


def test_loops_are_compiled_in_the_course_of_a_long_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    base = BaseLM(quantized_model(), tiny_tokenizer(), name="quantized", digest="a" * 64)

    def answer_of(num: int) -> list[list[int]]:
        return generate_batch(base, [[5, 6, 7], [8, 9]], GenerationOptions(num), lora=None, stop_ids=set())

    answer_of(5)
    assert find_compiled(base) is None
    assert not weights_folder(base).exists()
    answers = answer_of(30)
    assert find_compiled(base) is not None
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert answer_of(30) == answers
