import pytest
import torch

from lorify.base.packed_weights import (
    GROUP,
    PackedHalves,
    PackedMatrices,
    PackedWeight,
    can_pack,
    pack_eight_bits,
    pack_four_bits,
    round_to_eight_bits,
)

pytestmark = pytest.mark.skipif(
    not can_pack(torch.zeros(1, dtype=torch.bfloat16)), reason="this build of PyTorch has no kernels for packed weights"
)


def on_four_bit_grid(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """A matrix as a Q4 file gives it: 16 levels between two bounds in each group of 32."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 16, (rows, columns // GROUP, GROUP), generator=generator)
    levels[..., 0], levels[..., 1] = 0, 15  # both bounds are taken
    step = 2.0 ** -torch.randint(4, 7, (rows, columns // GROUP, 1), generator=generator)
    low = -step * torch.randint(4, 12, (rows, columns // GROUP, 1), generator=generator)
    return (low + step * levels).view(rows, columns).bfloat16()


def on_eight_bit_grid(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """A matrix as a Q8 file gives it: whole multiples of a step, up to 127, in each group of 32."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(-127, 128, (rows, columns // GROUP, GROUP), generator=generator)
    levels[..., 0] = 127  # the step is made so
    step = (torch.rand(rows, columns // GROUP, 1, generator=generator) + 0.01).half().float()
    return (step * levels).view(rows, columns).bfloat16()


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_packed_matrices_multiply_like_the_plain_ones(rows):
    x = torch.randn(rows, 128, generator=torch.Generator().manual_seed(1)).bfloat16()
    anything = torch.randn(48, 128, generator=torch.Generator().manual_seed(2)).bfloat16()
    for weight, pack in (
        (on_four_bit_grid(48, 128), pack_four_bits),
        (on_eight_bit_grid(48, 128), pack_eight_bits),
        (anything, round_to_eight_bits),
    ):
        packed = pack(weight)
        assert packed is not None
        exact = x.double() @ weight.double().T
        assert (packed(x).double() - exact).norm() < 0.01 * exact.norm()


def test_other_weights_are_left_alone():
    anything = torch.randn(48, 128, generator=torch.Generator().manual_seed(2)).bfloat16()
    assert pack_four_bits(anything) is None
    assert pack_eight_bits(anything) is None
    assert pack_eight_bits(on_eight_bit_grid(40, 128)) is None
    assert round_to_eight_bits(anything[:, :24]) is None
    assert round_to_eight_bits(anything.float()) is None
    assert PackedMatrices().packed([on_four_bit_grid(48, 128).float()]) is None


def test_a_grid_is_found_by_its_levels():
    assert isinstance(PackedMatrices().packed([on_four_bit_grid(48, 128)]), PackedWeight)
    assert isinstance(PackedMatrices().packed([on_eight_bit_grid(48, 128)]), PackedHalves)


def test_a_matrix_is_packed_once_and_anew_when_it_changes():
    matrices, weight, other = PackedMatrices(), on_four_bit_grid(32, 64), on_four_bit_grid(16, 64, seed=3)
    first = matrices.packed([weight, other])
    assert first is not None and first is matrices.packed([weight, other])
    x = torch.randn(1, 64, generator=torch.Generator().manual_seed(4)).bfloat16()
    weight.mul_(2)
    changed = matrices.packed([weight, other])
    assert changed is not None
    assert torch.allclose(changed(x)[:, :32].float(), 2 * first(x)[:, :32].float(), rtol=0.02, atol=0.05)
    assert torch.equal(changed(x)[:, 32:], first(x)[:, 32:])
