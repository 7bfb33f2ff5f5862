import math

import pytest
import torch
from tiny import tiny_base
from training.small_tasks import made_task, sampler

from lorify.training.engine.losses import (
    answer_logits,
    cross_entropy_per_token,
    retrieval_loss,
    token_share_per_segment,
)
from lorify.training.engine.packing import Segment, pack_rows


def test_label_smoothing_and_embedding_noise():
    base = tiny_base()
    task = made_task("t", "f")
    packed = pack_rows(sampler([task], tasks_per_batch=1).build(0).rows)
    with torch.no_grad():
        plain, again = (answer_logits(base, packed, None) for _ in range(2))
        noisy = answer_logits(base, packed, None, noise_alpha=5.0)
    torch.testing.assert_close(plain, again)
    assert (plain - noisy).abs().max() > 1e-4
    smoothed = cross_entropy_per_token(plain, packed.targets, label_smoothing=0.1)
    expected = 0.9 * cross_entropy_per_token(plain, packed.targets) - 0.1 * plain.log_softmax(-1).mean(-1)
    torch.testing.assert_close(smoothed, expected)


def test_noise_is_uniform_within_the_bound_of_the_longest_sequence(monkeypatch):
    base = tiny_base()
    rows = [[Segment(tuple(range(3, 23)), (5, 6))], [Segment((3, 4), (5,))]]  # 22 and 3 tokens
    seen = []
    forward = base.decoder.forward
    monkeypatch.setattr(base.decoder, "forward", lambda **inputs: seen.append(inputs) or forward(**inputs))
    packed = pack_rows(rows)
    torch.manual_seed(0)
    answer_logits(base, packed, None, noise_alpha=5.0)
    embeddings = base.model.get_input_embeddings()(packed.input_ids)
    noise = seen[0]["inputs_embeds"] - embeddings
    bound = 5.0 / math.sqrt(22 * base.hidden_size)
    assert 0.95 * bound < noise.abs().max() <= bound * 1.001
    assert noise[1].abs().max() > 0.9 * bound  # the short row has the same noise
    assert noise.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_the_retrieval_loss_is_the_cross_entropy_of_choosing_an_answer_token():
    keys = torch.eye(3).unsqueeze(0)  # one block, three tokens
    queries = torch.tensor([[[5.0, 0, 0], [0, 0, 2.0]]])
    right = torch.tensor([[True, False, False], [False, True, True]])
    equal = torch.zeros(2, 3)
    assert retrieval_loss(queries, keys, right, equal).max() < 1e-6
    assert retrieval_loss(queries, keys, right.roll(1, 1), equal)[0] > 25
    # Tokens with no weight do not compete.
    assert retrieval_loss(queries, keys, right.roll(1, 1), equal.masked_fill(~right.roll(1, 1), -torch.inf))[0] < 1e-6


def test_a_token_weighs_the_same_in_the_share_of_a_long_and_of_a_short_answer():
    shares = token_share_per_segment(torch.tensor([1.0, 2.0, 3.0, 10.0]), torch.tensor([0, 0, 0, 1]), 2)
    assert shares.tolist() == [6 * 2 / 4, 10 * 2 / 4] and shares.mean().item() == (1 + 2 + 3 + 10) / 4
