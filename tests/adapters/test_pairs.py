"""Pairs of LoRA matrices that are rebuilt when they are needed."""

import gc
import weakref
from dataclasses import replace

import torch
from adapters.random_adapters import random_adapter

from lorify.adapters import build_lora_batch
from lorify.adapters.pairs import LoraPair, PairShape, RebuiltWeights, RecentPairs

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


def weights_of(calls, recent):
    def rebuild():
        calls.append(None)
        return {key: LoraPair(torch.ones(2, 5), torch.ones(3, 2)) for key in SHAPES}

    return RebuiltWeights(SHAPES, rebuild, recent)


def test_pairs_of_the_adapters_that_were_read_last_are_kept():
    calls, recent = [], RecentPairs(max_adapters=2)
    first, second, third = (weights_of(calls, recent) for _ in range(3))
    for read, num_rebuilt in ((first, 1), (second, 2), (first, 2), (third, 3), (first, 3), (second, 4)):
        assert read[0, "down_proj"].rank == 2
        assert len(calls) == num_rebuilt


def test_pairs_are_dropped_with_their_adapter():
    recent = RecentPairs()
    weights = weights_of([], recent)
    pair = weakref.ref(weights[0, "down_proj"])
    assert pair() is not None
    del weights
    gc.collect()
    assert pair() is None


def test_a_batch_of_many_adapters_rebuilds_each_once(base):
    calls, recent = [], RecentPairs()

    def rebuilt(adapter):
        def rebuild():
            calls.append(adapter)
            return adapter.weights

        return replace(adapter, weights=RebuiltWeights(adapter.shapes, rebuild, recent))

    adapters = [random_adapter(base, seed, keys=((0, "down_proj"), (1, "down_proj"))) for seed in range(9)]
    batch = build_lora_batch([rebuilt(adapter) for adapter in adapters], base)
    expected = build_lora_batch(adapters, base)
    assert len(calls) == 9 and batch is not None and expected is not None
    assert all(torch.equal(batch[key].B, expected[key].B) for key in expected)
