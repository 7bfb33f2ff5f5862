"""Pairs of LoRA matrices that are rebuilt when they are needed."""

from dataclasses import replace

import torch
from adapters.random_adapters import random_adapter

from lorify.adapters import build_lora_batch
from lorify.adapters.pairs import LoraPair, PairShape, RebuiltWeights

SHAPES = {(0, "down_proj"): PairShape(2, 5, 3), (4, "down_proj"): PairShape(2, 5, 3)}


def test_pairs_are_rebuilt_together_and_only_when_one_is_read():
    calls = []

    def rebuild():
        calls.append(None)
        return {key: LoraPair(torch.ones(2, 5), torch.full((3, 2), float(key[0]))) for key in SHAPES}

    weights = RebuiltWeights(SHAPES, rebuild)
    assert list(weights) == list(SHAPES) and len(weights) == 2 and (4, "down_proj") in weights
    assert not calls
    assert [pair.B[0, 0].item() for pair in weights.values()] == [0.0, 4.0]
    assert {key: pair.shape for key, pair in weights.items()} == SHAPES
    assert len(calls) == 1
    assert weights.get((1, "down_proj")) is None


def test_a_batch_of_many_adapters_rebuilds_each_once(base):
    calls = []

    def rebuilt(adapter):
        def rebuild():
            calls.append(adapter)
            return adapter.weights

        return replace(adapter, weights=RebuiltWeights(adapter.shapes, rebuild))

    adapters = [random_adapter(base, seed, keys=((0, "down_proj"), (1, "down_proj"))) for seed in range(9)]
    batch = build_lora_batch([rebuilt(adapter) for adapter in adapters], base)
    expected = build_lora_batch(adapters, base)
    assert len(calls) == 9 and batch is not None and expected is not None
    assert all(torch.equal(batch[key].B, expected[key].B) for key in expected)
