"""Steps that are recorded as CUDA graphs, on the device of the tests or a simulated card."""

from contextlib import nullcontext

import pytest
import torch
from adapters.random_adapters import random_adapter
from fake_card import fake_card
from fake_graphs import FakeGraph

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.decoding import graph_rows
from lorify.base.decoding.batching import start_decoding
from lorify.base.decoding.compiled.session import DECODING_VARIABLE
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.graph_rows import STEPS_BEFORE_GRAPH
from lorify.base.decoding.prefill import prefilled
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.loading import load_base
from lorify.base.model import BaseLM

PROMPTS = [[1, 7, 8, 9], [1, 5], [1, 7, 8, 9, 6, 5, 4]]
NUM_TOKENS = STEPS_BEFORE_GRAPH + 12


@pytest.fixture
def card_base(base_dir):
    with nullcontext() if torch.cuda.is_available() else fake_card():
        yield load_base(str(base_dir), device=torch.device("cuda"))


def answers(base: BaseLM, adapters: list[Adapter], num_tokens: int = NUM_TOKENS) -> list[list[int]]:
    lora = build_lora_batch(adapters, base) if adapters else None
    return generate_batch(base, PROMPTS, GenerationOptions(num_tokens), lora=lora, stop_ids=set())


@pytest.mark.parametrize("adapted", [False, True])
def test_answers_are_those_without_graphs(card_base, monkeypatch, adapted: bool) -> None:
    keys = tuple(card_base.linear_keys)
    adapters = [random_adapter(card_base, keys=keys, seed=seed) for seed in range(3)] if adapted else []
    before = FakeGraph.num_replays
    recorded = answers(card_base, adapters)
    assert torch.cuda.is_available() or FakeGraph.num_replays - before >= NUM_TOKENS - STEPS_BEFORE_GRAPH - 2
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert answers(card_base, adapters) == recorded


def test_rows_that_wait_and_buffers_that_grow_do_not_disturb_each_other(card_base, monkeypatch) -> None:
    def decoded() -> list[list[int]]:
        batch = start_decoding(card_base, 400)
        tokens = batch.add_rows(prefilled(card_base, PROMPTS, None)).argmax(-1)
        seen = [[token] for token in tokens.tolist()]
        for number in range(300):
            rows = [0, 1, 2] if number % 7 < 4 else [0, 2]
            chosen = batch.step(tokens[rows], rows).argmax(-1)
            tokens[rows] = chosen
            for row, token in zip(rows, chosen.tolist(), strict=True):
                seen[row].append(token)
        return seen

    recorded = decoded()
    monkeypatch.setenv(DECODING_VARIABLE, "torch")
    assert decoded() == recorded


def test_decoding_goes_on_if_a_step_cannot_be_recorded(card_base, monkeypatch, caplog) -> None:
    expected = answers(card_base, [])

    def fail(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graph_rows, "record_work", fail)
    assert answers(card_base, []) == answers(card_base, []) == expected
    assert caplog.text.count("without a CUDA graph") == 1
