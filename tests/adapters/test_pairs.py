"""Pairs of LoRA matrices that are rebuilt when they are needed."""

import torch

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
