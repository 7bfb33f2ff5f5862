"""Adapters of reduced rank, which exports in parts have."""

import pytest
import torch

from lorify.hypernets.associative.adapter_writer import AdapterWriter
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork

RANK, BIAS_RANK = 24, 4


@pytest.fixture
def writer() -> AdapterWriter:
    torch.manual_seed(0)
    config = AssociativeConfig(
        base_name="tiny",
        base_digest="d",
        hidden_size=48,
        input_size=96,
        layers=(0, 1),
        rank=RANK,
        width=16,
        bias_rank=BIAS_RANK,
    )
    return AdapterWriter(config, AssociativeHypernetwork(config), torch.float32)


def update_of_rank(rank: int) -> torch.Tensor:
    """`B [L, 1, r, d]` whose update has a rank."""
    generator = torch.Generator().manual_seed(rank)
    rows = torch.randn(2, 1, RANK + BIAS_RANK, rank, generator=generator)
    return rows @ torch.randn(2, 1, rank, 48, generator=generator)


@pytest.mark.parametrize("rank", [0, 1, 3, 8, 15, 16])
def test_an_update_of_no_higher_rank_stays_the_same(writer, rank):
    B = update_of_rank(rank)
    pairs, lora_alpha = writer.reduced_weights(B, 16)
    whole = writer.hypernetwork.lora_A().transpose(1, 2) @ B[:, 0]  # [L, f, d]
    for layer in range(2):
        ((A, reduced),) = [(pair.A, pair.B) for (number, _), pair in pairs.items() if number == layer]
        scale = lora_alpha / len(A)
        torch.testing.assert_close(scale * (A.T @ reduced.T), whole[layer], atol=1e-3, rtol=1e-3)


def test_an_update_of_higher_rank_loses_little(writer):
    B = update_of_rank(20)
    pairs, lora_alpha = writer.reduced_weights(B, 16)
    whole = writer.hypernetwork.lora_A().transpose(1, 2) @ B[:, 0]
    for (layer, _), pair in pairs.items():
        assert len(pair.A) == 16
        difference = lora_alpha / 16 * (pair.A.T @ pair.B.T) - whole[layer]
        assert 0 < difference.norm() < 0.5 * whole[layer].norm()
