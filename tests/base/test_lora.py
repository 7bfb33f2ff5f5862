import pytest
import torch
from torch import nn

from lorify.base.lora import LoraHooks, LoraTensors

KEY = (0, "down_proj")


def hooked() -> tuple[nn.Linear, LoraHooks]:
    torch.manual_seed(0)
    linear = nn.Linear(6, 5, bias=False)
    return linear, LoraHooks({KEY: linear})


def tensors(rows: int = 2, rank: int = 3, *, shared: bool = False) -> LoraTensors:
    A = torch.randn(rank, 6) if shared else torch.randn(rows, rank, 6)
    return LoraTensors(A, torch.randn(rows, rank, 5))


def test_each_row_gets_its_own_update() -> None:
    linear, hooks = hooked()
    x, lora = torch.randn(2, 4, 6), tensors()
    with hooks.applied({KEY: lora}):
        y = linear(x)
    for row in range(2):
        expected = x[row] @ linear.weight.T + x[row] @ lora.A[row].T @ lora.B[row]
        torch.testing.assert_close(y[row], expected)


def test_a_shared_A_serves_all_rows() -> None:
    lora, x = tensors(shared=True), torch.randn(2, 4, 6)
    separate = LoraTensors(lora.A.expand(2, -1, -1), lora.B)
    torch.testing.assert_close(lora.delta(x), separate.delta(x))


def test_inactive_rows_are_not_updated() -> None:
    lora = tensors(shared=True)
    delta = LoraTensors(lora.A, lora.B, active=torch.tensor([1.0, 0.0])).delta(torch.randn(2, 4, 6))
    assert delta[0].any() and not delta[1].any()


def test_the_tokens_of_a_packed_sequence_get_the_updates_of_their_owners() -> None:
    lora, x = tensors(), torch.randn(1, 4, 6)
    owner = torch.tensor([0, 0, 1, 1])
    packed = LoraTensors(lora.A, lora.B, owner=owner).delta(x)
    for token, row in enumerate(owner.tolist()):
        torch.testing.assert_close(packed[0, token], x[0, token] @ lora.A[row].T @ lora.B[row])


def test_the_base_is_unchanged_outside_of_the_block() -> None:
    linear, hooks = hooked()
    x = torch.randn(2, 4, 6)
    before = linear(x)
    with hooks.applied({KEY: tensors()}):
        assert not torch.equal(linear(x), before)
        with hooks.applied(None):
            assert torch.equal(linear(x), before)
    assert torch.equal(linear(x), before)
    assert hooks.current is None


def test_dropout_drops_inputs_and_scales_up_the_others() -> None:
    x, tensors = torch.ones(1, 400, 4), LoraTensors(torch.eye(4), torch.eye(4).unsqueeze(0), dropout=0.25)
    update = tensors.delta(x)
    assert update.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert update.mean().item() == pytest.approx(1, abs=0.1)
