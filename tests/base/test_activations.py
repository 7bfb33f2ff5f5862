from threading import Thread

import pytest
import torch
from tiny import tiny_base

IDS = torch.tensor([[1, 5, 6, 7]])


@pytest.fixture(scope="module")
def base():
    return tiny_base(num_layers=3)


@torch.no_grad()
def test_inputs_of_blocks_are_the_hidden_states_of_transformers(base) -> None:
    found = base.activations(IDS, None, layers=(0, 2))
    states = base.model(IDS, output_hidden_states=True).hidden_states
    assert set(found.states) == {0, 2} and not found.inputs
    torch.testing.assert_close(found.states[0], states[0])
    torch.testing.assert_close(found.states[2], states[2])


def test_inputs_of_a_linear_layer_have_its_width(base) -> None:
    found = base.activations(IDS, None, layers=(0, 1), module="down_proj")
    assert {layer: x.shape for layer, x in found.inputs.items()} == {0: (1, 4, 96), 1: (1, 4, 96)}


def test_blocks_above_the_highest_one_are_not_computed(base) -> None:
    calls: list[int] = []
    handles = [
        block.register_forward_hook(lambda *_, index=index: calls.append(index))
        for index, block in enumerate(base.blocks)
    ]
    base.activations(IDS, None, layers=(1,))
    for handle in handles:
        handle.remove()
    assert calls == [0]


@torch.no_grad()
def test_inputs_are_recorded_inside_the_block_only_and_in_one_thread(base) -> None:
    with base.activation_hooks.recorded_inputs((1,), "down_proj") as inputs:
        thread = Thread(target=lambda: base.model(IDS))
        thread.start()
        thread.join()
        assert not inputs
        base.model(IDS)
    recorded = inputs[1]
    base.model(IDS[:, :2])
    assert inputs[1] is recorded and recorded.shape == (1, 4, 96)


@torch.no_grad()
def test_replaced_states_are_what_a_block_gets_and_last_as_long_as_the_context(base) -> None:
    plain = base.activations(IDS, None, layers=(0, 1, 2)).states
    states = torch.randn(2, base.hidden_size)
    with pytest.raises(RuntimeError, match="stop"), base.activation_hooks.replaced_states(1, 2, states):
        changed = base.activations(IDS, None, layers=(0, 1, 2)).states
        raise RuntimeError("stop")
    torch.testing.assert_close(changed[0], plain[0])
    torch.testing.assert_close(changed[1][0, :2], plain[1][0, :2])
    torch.testing.assert_close(changed[1][0, 2:], states)
    torch.testing.assert_close(changed[2][0, :2], plain[2][0, :2])  # attention is causal
    assert not torch.allclose(changed[2][0, 2:], plain[2][0, 2:])
    torch.testing.assert_close(base.activations(IDS, None, layers=(2,)).states[2], plain[2])
