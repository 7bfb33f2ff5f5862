"""Teacher forcing: log-probabilities of given answers to a planned question, in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.adapters import build_lora_batch
from lorify.answering.plan import AnswerPlan
from lorify.base.model import BaseLM


@torch.inference_mode()
def teacher_forced_log_probabilities(base: BaseLM, plan: AnswerPlan, answers: Sequence[Sequence[int]]) -> list[Tensor]:
    """Compute log-probabilities of the next token after the prompt and after each token of each answer.

    Args:
        base: the base.
        plan: the prompt, and the adapters that are on.
        answers: token ids of each answer; one can be empty.

    Returns:
        For each answer `[tokens + 1, vocabulary]`: row i follows the prompt and the answer's first i tokens.
    """
    prompt, longest = list(plan.prompt_ids), max(map(len, answers))
    rows = [[*prompt, *answer, *[0] * (longest - len(answer))] for answer in answers]
    ids = torch.tensor(rows, device=base.device)  # padding is on the right, where causal attention ignores it
    with base.hooks.applied(build_lora_batch([plan.adapters] * len(rows), base)):
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
    return [
        base.logits(row[len(prompt) - 1 : len(prompt) + len(answer)]).log_softmax(-1)
        for row, answer in zip(hidden, answers, strict=True)
    ]
