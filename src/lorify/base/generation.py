"""Continuing prompts: a batch of them to the end, and one token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lorify.base.decoding import start_decoding
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.base.sampling import Sampler, Sampling, sample_tokens


def generate_batch(
    base: BaseLM,
    prompts: Sequence[Sequence[int]],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> list[list[int]]:
    """Continue a batch of prompts, until every row has stopped.

    Args:
        base: the base model.
        prompts: token ids of each row, at least one a row; lengths may differ.
        lora: the update of each row, or None.
        max_new_tokens: longest continuation, in tokens.
        stop_ids: tokens that end a row; they are not returned.
        temperature: 0 is greedy.
        top_p: sample from the likeliest tokens that together have this probability.
        seed: makes sampling reproducible; each row further down has the next seed.

    Returns:
        The new tokens of each row.
    """
    rows: list[list[int]] = [[] for _ in prompts]
    live = set(range(len(rows)))
    samplings = [Sampling(temperature, top_p, None if seed is None else seed + row) for row in range(len(rows))]
    for tokens in _decode(base, prompts, lora, max_new_tokens, samplings):
        live = {row for row in live if tokens[row] not in stop_ids}
        for row in live:
            rows[row].append(tokens[row])
        if not live:
            break
    return rows


def stream_tokens(
    base: BaseLM,
    prompt: Sequence[int],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> Iterator[int]:
    """Continue one prompt and yield each token as it comes; arguments as for `generate_batch`."""
    for tokens in _decode(base, [prompt], lora, max_new_tokens, [Sampling(temperature, top_p, seed)]):
        if tokens[0] in stop_ids:
            return
        yield tokens[0]


def _decode(
    base: BaseLM,
    prompts: Sequence[Sequence[int]],
    lora: LoraBatch | None,
    max_new_tokens: int,
    samplings: Sequence[Sampling],
) -> Iterator[list[int]]:
    """One list of tokens (one a row) per step; nothing stays set between steps."""
    if not prompts or max_new_tokens < 1:
        return
    samplers = [Sampler(sampling) for sampling in samplings]
    batch = start_decoding(base, max(map(len, prompts)) + max_new_tokens)
    logits = batch.add_rows(prompts, lora)
    for _ in range(max_new_tokens - 1):
        tokens = sample_tokens(logits, samplers)
        yield tokens.tolist()
        logits = batch.step(tokens)
    yield sample_tokens(logits, samplers).tolist()
