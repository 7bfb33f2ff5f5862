import torch
from adapters.random_adapters import random_adapter
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base

from lorify.adapters import build_lora_batch
from lorify.base.lora import LoraTensors
from lorify.training.engine.losses import (
    answer_logits,
    answer_loss_per_segment,
    cross_entropy_per_token,
    mean_per_segment,
    top_k_kl_per_token,
)
from lorify.training.engine.packing import Segment, pack_rows

BASE, GEMMA = BASES = (tiny_base(), tiny_base("gemma2"))
tokens = st.lists(st.integers(3, 250), min_size=1, max_size=6).map(tuple)
segments = st.builds(lambda prompt, answer: Segment((1, 5, 6, *prompt), answer), tokens, tokens)

taught_segments = st.builds(
    lambda prompt, context, answer: Segment((1, 5, *prompt), answer, teacher_prompt=(1, 5, *context, *prompt)),
    *(tokens, tokens, tokens),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(segments, min_size=1, max_size=4), min_size=1, max_size=3), st.sampled_from(BASES), st.booleans()
)
def test_packed_logits_equal_those_of_one_sequence_per_question(rows, base, joined):
    packed = pack_rows(rows, joined=joined)
    together = answer_logits(base, packed, None)
    alone = torch.cat([answer_logits(base, pack_rows([[segment]]), None) for row in rows for segment in row])
    assert torch.allclose(together, alone, atol=1e-5)
    assert packed.targets.tolist() == [token for row in rows for segment in row for token in segment.answer]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(taught_segments, min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_packed_losses_equal_those_of_one_sequence_per_question(rows, joined):
    """Each row with an adapter of its own, against a teacher with other prompts."""
    adapters = [random_adapter(BASE, seed) for seed in range(len(rows))]
    alone = [losses([[segment]], [adapter]) for row, adapter in zip(rows, adapters, strict=True) for segment in row]
    torch.testing.assert_close(losses(rows, adapters, joined=joined), torch.cat(alone, dim=1), atol=1e-4, rtol=1e-4)


def losses(rows, adapters, *, joined: bool = False) -> torch.Tensor:
    """Cross-entropy and KL to the teacher of each segment `[2, segments]`."""
    packed = pack_rows(rows, joined=joined)
    lora = build_lora_batch(adapters, BASE)
    assert lora is not None
    if joined:
        lora = {
            key: LoraTensors(t.A if t.A.dim() == 3 else t.A.expand(len(rows), -1, -1), t.B, packed.row[0])
            for key, t in lora.items()
        }
    logits = answer_logits(BASE, packed, lora)
    teacher = answer_logits(BASE, pack_rows(rows, teacher=True, joined=joined), None)
    num_segments = sum(map(len, rows))
    cross_entropy = cross_entropy_per_token(logits, packed.targets)
    kl = top_k_kl_per_token(logits, teacher, 8)
    return torch.stack(
        [
            answer_loss_per_segment(cross_entropy, packed.segment, num_segments, 0.3),
            mean_per_segment(kl, packed.segment, num_segments),
        ]
    )


@given(st.lists(st.lists(segments, min_size=1, max_size=4), min_size=1, max_size=5))
def test_joined_rows_have_no_padding(rows):
    packed = pack_rows(rows, joined=True)
    assert packed.input_ids.shape == (1, sum(pack_rows([row]).input_ids.numel() for row in rows))


def test_mean_per_segment_counts_short_and_long_answers_alike():
    result = mean_per_segment(torch.tensor([1.0, 3.0, 10.0]), torch.tensor([0, 0, 1]), 2)
    assert result.tolist() == [2.0, 10.0]


def test_kl_is_zero_for_the_teacher_itself_and_positive_otherwise():
    teacher, other = torch.randn(5, 40), torch.randn(5, 40)
    assert torch.allclose(top_k_kl_per_token(teacher, teacher, 8), torch.zeros(5), atol=1e-6)
    assert (top_k_kl_per_token(other, teacher, 40) > 0).all()


def test_the_first_token_of_an_answer_has_its_share_of_the_loss():
    per_token = torch.tensor([4.0, 1.0, 2.0, 5.0, 3.0])
    segment = torch.tensor([0, 0, 0, 1, 2])
    loss = answer_loss_per_segment(per_token, segment, 3, 0.4)
    torch.testing.assert_close(loss, torch.tensor([0.4 * 4 + 0.6 * 1.5, 5.0, 3.0]))
