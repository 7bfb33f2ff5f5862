"""Levels of quantized matrices, found from their values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_quantized import on_grid

from lorify.base.weight_grids import GridRows, find_grid, find_row_grid


def values(part: GridRows, bits: int) -> torch.Tensor:
    return (part.middle + (part.levels - 2 ** (bits - 1)) * part.step).flatten(1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-4, 1.0, 300.0]), bits=st.sampled_from([4, 8]))
def test_the_levels_give_the_matrix(seed: int, scale: float, bits: int) -> None:
    weight = on_grid(scale * torch.randn(32, 64, generator=torch.Generator().manual_seed(seed)), bits).bfloat16()
    parts = find_grid(weight, 4 if bits == 4 else 8, torch.float32)
    assert parts is not None
    found = torch.cat([values(part, bits) for part in parts])
    assert (found - weight.float()).norm() < 0.004 * weight.float().norm()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 9))
def test_the_levels_of_rows_give_the_matrix(seed: int, rows: int) -> None:
    weight = torch.randn(rows, 64, generator=torch.Generator().manual_seed(seed))
    step = weight.abs().amax(-1, keepdim=True) / 127
    rounded = (weight / step).round() * step
    part = find_row_grid(rounded)
    assert part is not None
    torch.testing.assert_close(values(part, 8), rounded, atol=0, rtol=1e-4)
    assert find_row_grid(weight) is None


@pytest.mark.parametrize("shape", [(16, 40), (24, 64)])
def test_other_shapes_have_no_grid(shape: tuple[int, int]) -> None:
    assert find_grid(torch.zeros(shape), 4, torch.float32) is None
