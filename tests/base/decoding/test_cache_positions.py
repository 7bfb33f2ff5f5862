"""Positions in the cache: which rows attend together."""

import pytest
import torch
from torch import Tensor, nn

from lorify.base.decoding.cache_positions import newest_positions


class Angles(nn.Module):
    """A rotary embedding of one frequency."""

    def forward(self, _x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        angles = positions[..., None].expand(-1, -1, 8) * 0.1
        return angles.cos(), angles.sin()


def spans(slots: list[int], lengths: list[int]) -> list[tuple[slice, int, bool]]:
    positions = newest_positions(slots, lengths, Angles(), torch.zeros(len(slots), 8))
    return [(span.slots, span.length, span.mask is not None) for span in positions.spans]


@pytest.mark.parametrize(
    "slots, lengths, expected",
    [
        ([0, 1, 2], [7, 7, 7], [(slice(0, 3), 8, False)]),
        ([0, 1, 2], [7, 3, 5], [(slice(0, 3), 8, True)]),
        ([1, 2], [3, 3], [(slice(1, 3), 4, False)]),
        ([0, 2, 3], [7, 3, 5], [(slice(0, 1), 8, False), (slice(2, 4), 6, True)]),
        ([0, 1, 2, 3], [9000, 10, 10, 10], [(slice(0, 1), 9001, False), (slice(1, 4), 11, False)]),
        ([0, 1, 2, 3], [10, 10, 10, 9000], [(slice(0, 3), 11, False), (slice(3, 4), 9001, False)]),
    ],
)
def test_rows_attend_together_if_adjacent_and_of_similar_length(slots, lengths, expected) -> None:
    assert spans(slots, lengths) == expected


def test_sines_rotate_with_one_roll() -> None:
    x, angles = torch.randn(8), torch.full((8,), 0.5)
    expected = x * angles.cos() + torch.cat([-x[4:], x[:4]]) * angles.sin()
    positions = newest_positions([0], [5], Angles(), torch.zeros(1, 8))
    torch.testing.assert_close(x * positions.cos[0, 0] + x.roll(4) * positions.sin[0, 0], expected)
