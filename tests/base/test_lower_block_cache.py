import pytest
import torch
from tiny import tiny_base

from lorify.base.lora import LoraTensors
from lorify.training.engine.losses import answer_logits
from lorify.training.engine.packing import Segment, pack_rows

FIRST = 2  # adapted block


def lora(rows: int) -> dict:
    torch.manual_seed(0)
    return {(FIRST, "down_proj"): LoraTensors(torch.randn(rows, 2, 96) * 0.3, torch.randn(rows, 2, 48) * 0.3)}


def computed_rows(base) -> list[int]:
    """How many rows each pass of block 0 computes."""
    seen: list[int] = []
    base.blocks[0].mlp.register_forward_pre_hook(lambda _module, args: seen.append(len(args[0])))
    return seen


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "qwen3"])
def test_repeated_rows_are_not_recomputed_and_keep_their_logits(family):
    base = tiny_base(family, num_layers=4)
    seen = computed_rows(base)
    questions = [Segment((3, 4, 5, 6, 7), (9, 2))] * 3 + [Segment((3, 4, 5, 6, 7), (10, 2)), Segment((8, 4, 5), (9, 2))]
    rows = pack_rows([[question] for question in questions])
    adapters = lora(len(questions))
    first, again = (answer_logits(base, rows, adapters) for _ in range(2))
    with base.hooks.applied(adapters):
        hidden = base.decoder(
            input_ids=rows.input_ids,
            position_ids=rows.position_ids,
            attention_mask=base.attention_mask(rows.attention_mask),
        ).last_hidden_state
    wanted = base.logits(hidden[rows.predict[:, 0], rows.predict[:, 1]])
    torch.testing.assert_close(first, wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(again, wanted, rtol=0, atol=1e-5)
    assert seen == [3, 1, 5]


def test_other_rows_in_between_change_nothing():
    base = tiny_base(num_layers=4)
    one, other = (pack_rows([[Segment((3, token, 5), (9, 2))]] * 2) for token in (4, 6))
    adapters = lora(2)
    wanted = [answer_logits(tiny_base(num_layers=4), rows, adapters) for rows in (one, other)]
    for rows, logits in zip((one, other, one), (*wanted, wanted[0]), strict=True):
        torch.testing.assert_close(answer_logits(base, rows, adapters), logits, rtol=0, atol=1e-5)


def test_gradients_reach_the_adapter():
    base = tiny_base(num_layers=4)
    rows = pack_rows([[Segment((3, 4, 5), (9, 2))]] * 3)
    found = []
    for _ in range(2):
        A = torch.full((3, 2, 96), 0.1, requires_grad=True)
        answer_logits(
            base, rows, {(FIRST, "down_proj"): LoraTensors(A, torch.ones(3, 2, 48))}
        ).square().sum().backward()
        found.append(A.grad)
    torch.testing.assert_close(found[0], found[1])
    assert found[0].abs().max() > 0
