"""Decoding by compiled loops against the model, on float32 weights that lie on a quantization grid."""

from pathlib import Path

import pytest
import torch
from adapters.random_adapters import random_adapter
from tiny_quantized import VOCAB_SIZE, quantized_base
from torch import Tensor

from lorify.adapters import AdapterStack, build_lora_batch
from lorify.base.decoding.batching import start_decoding
from lorify.base.decoding.compiled.session import DECODING_VARIABLE, find_compiled
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.prefill import prefilled
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.lora import LoraBatch, select_rows
from lorify.base.model import BaseLM

PROMPTS = [[1, 5, 9, 20, 33, 7], [7, 8, 9], [100] * 9]
TOLERANCES = {"atol": 2e-3, "rtol": 2e-3}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path))
    monkeypatch.delenv(DECODING_VARIABLE, raising=False)


@pytest.fixture
def base() -> BaseLM:
    base = quantized_base()
    assert find_compiled(base) is not None
    return base


def loras(base: BaseLM, kind: str) -> LoraBatch | None:
    keys = tuple(base.linear_keys)
    same = 5 if kind == "shared A" else None
    adapters = [random_adapter(base, seed, keys=keys, shared_seed=same) for seed in range(len(PROMPTS))]
    other = random_adapter(base, 9, keys=((1, "k_proj"), (1, "up_proj")), rank=7)
    rows = {
        "none": [None] * 3,
        "own": adapters,
        "shared A": adapters,
        "one adapter": [adapters[0]] * 3,
        "one row": [adapters[0], None, None],
        "several layers": [adapters[0], other, None],
        "stacked": [AdapterStack(((adapters[0], 0.5), (other, 2.0))), adapters[1], other],
    }
    return build_lora_batch(rows[kind], base)


@torch.no_grad()
def model_logits(base: BaseLM, ids: list[list[int]], lora: LoraBatch | None) -> Tensor:
    """The logits after each row, each computed as a row of equal ones, so that its update applies."""
    with base.hooks.applied(lora):
        return torch.stack([base.model(torch.tensor([row] * len(ids))).logits[i, -1] for i, row in enumerate(ids)])


@pytest.mark.parametrize("kind", ["none", "own", "shared A", "one adapter", "one row", "several layers", "stacked"])
def test_steps_have_the_logits_of_the_model(base: BaseLM, kind: str) -> None:
    lora, ids = loras(base, kind), [list(prompt) for prompt in PROMPTS]
    batch = start_decoding(base, 32)
    logits = batch.add_rows(prefilled(base, PROMPTS, lora))
    for _ in range(4):
        tokens = logits.argmax(-1)
        ids = [[*row, token] for row, token in zip(ids, tokens.tolist(), strict=True)]
        logits = batch.step(tokens)
        torch.testing.assert_close(logits, model_logits(base, ids, lora), **TOLERANCES)


@pytest.mark.parametrize(("heads", "kv_heads", "layers"), [(2, 1, 1), (4, 4, 1), (6, 3, 3), (8, 2, 2)])
def test_answers_of_all_shapes_are_those_of_pytorch(
    heads: int, kv_heads: int, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = quantized_base(heads, heads=heads, kv_heads=kv_heads, layers=layers)
    lora = build_lora_batch([random_adapter(base, 1, keys=tuple(base.linear_keys))], base)

    def answer() -> list[list[int]]:
        return generate_batch(base, [[5, 6, 7]], GenerationOptions(20), lora=lora, stop_ids=set())

    assert find_compiled(base) is not None
    by_onnx = answer()
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert find_compiled(base) is None
    assert answer() == by_onnx


def test_rows_come_and_go_and_buffers_grow(base: BaseLM) -> None:
    batch = start_decoding(base, 512)
    batch.add_rows(prefilled(base, PROMPTS[:2], None))
    batch.drop_row(0)
    batch.add_rows(prefilled(base, PROMPTS[2:], None))
    ids, tokens = [list(PROMPTS[1]), list(PROMPTS[2])], torch.tensor([5, 6])
    for _ in range(270):  # past the first size of the buffers
        ids = [[*row, token] for row, token in zip(ids, tokens.tolist(), strict=True)]
        logits = batch.step(tokens)
        tokens = (tokens + 1) % VOCAB_SIZE
    torch.testing.assert_close(logits, model_logits(base, ids, None), **TOLERANCES)


@pytest.mark.parametrize("rows", [[0], [1, 2], [0, 2]])
def test_some_rows_wait(base: BaseLM, rows: list[int]) -> None:
    lora, ids = loras(base, "own"), [list(prompt) for prompt in PROMPTS]
    batch = start_decoding(base, 32)
    batch.add_rows(prefilled(base, PROMPTS, lora))
    for step in range(3):
        decoded = rows if step < 2 else [0, 1, 2]
        for row in decoded:
            ids[row].append(30 + row + step)
        logits = batch.step(torch.tensor([ids[row][-1] for row in decoded]), decoded)
        expected = [model_logits(base, [ids[row]], select_rows(lora, torch.tensor([row])))[0] for row in decoded]
        torch.testing.assert_close(logits, torch.stack(expected), **TOLERANCES)


def test_a_sequence_may_fill_the_window(base: BaseLM, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = [3 + i % 200 for i in range(base.window_tokens - 4)]

    def answer(num: int) -> list[list[int]]:
        return generate_batch(base, [prompt], GenerationOptions(num), lora=None, stop_ids=set())

    within, beyond = answer(4), answer(8)
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert answer(4) == within
    assert answer(8) == beyond
