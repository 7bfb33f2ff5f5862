"""Generation: continue a batch of prompts to the end, or one prompt token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lorify.base.constrained_decoding import ConstrainedRow
from lorify.base.decoding.batching import start_decoding
from lorify.base.decoding.card_work import start_reading
from lorify.base.decoding.prefill import prefilled
from lorify.base.decoding.sampling import FixedRow, GenerationOptions, Sampler, sample_tokens
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM


def generate_batch(
    base: BaseLM,
    prompts: Sequence[Sequence[int]],
    options: GenerationOptions,
    *,
    lora: LoraBatch | None,
    stop_ids: set[int],
) -> list[list[int]]:
    """Continue a batch of prompts until every row has stopped.

    Args:
        base: the base model.
        prompts: token ids of each row, at least one token a row; lengths may differ.
        options: length limit and sampling; with a seed, row `i` uses `seed + i`. A row also ends when the base's window
            is full.
        lora: the update of each row, or None for the bare base.
        stop_ids: tokens that end a row; they are not returned.

    Returns:
        The new tokens of each row.
    """
    rows: list[list[int]] = [[] for _ in prompts]
    live = set(range(len(rows)))
    limits = [answer_limit(base, len(prompt), options.max_new_tokens) for prompt in prompts]
    for tokens in _decode(base, prompts, lora, options):
        live = {row for row in live if tokens[row] not in stop_ids}
        for row in live:
            rows[row].append(tokens[row])
        live = {row for row in live if len(rows[row]) < limits[row]}
        if not live:
            break
    return rows


def stream_tokens(
    base: BaseLM, prompt: Sequence[int], options: GenerationOptions, *, lora: LoraBatch | None, stop_ids: set[int]
) -> Iterator[int]:
    """Continue one prompt and yield each token as soon as it is sampled; arguments as for `generate_batch`."""
    for tokens in _decode(base, [prompt], lora, options):
        if tokens[0] in stop_ids:
            return
        yield tokens[0]


def answer_limit(base: BaseLM, prompt_tokens: int, max_new_tokens: int) -> int:
    """Return how many tokens an answer may have: at most as many as fit into the base's window.

    Args:
        base: the base.
        prompt_tokens: length of the prompt.
        max_new_tokens: how many are wanted.
    """
    # A prompt that fills the window has already been refused when the answer was planned.
    return min(max_new_tokens, max(base.window_tokens - prompt_tokens, 1))


def start_sampler(base: BaseLM, options: GenerationOptions, answer: Sequence[int] = ()) -> Sampler:
    """Return the sampler of a new row.

    Args:
        base: the base.
        options: the row's options; a constraint takes precedence over a known answer.
        answer: the tokens of the answer, if it is already known.
    """
    if options.constraint is None:
        return Sampler(options, FixedRow(answer, min(base.stop_ids)) if len(answer) else None)
    return Sampler(options, ConstrainedRow(options.constraint, base.grammar_tokens, options.max_new_tokens))


def _decode(
    base: BaseLM, prompts: Sequence[Sequence[int]], lora: LoraBatch | None, options: GenerationOptions
) -> Iterator[list[int]]:
    """Yield the next token of each row at each step; the base carries no state between steps."""
    if not prompts or options.max_new_tokens < 1:
        return
    limits = [answer_limit(base, len(prompt), options.max_new_tokens) for prompt in prompts]
    samplers = [
        start_sampler(base, replace(options.with_seed_offset(row), max_new_tokens=limit))
        for row, limit in enumerate(limits)
    ]
    batch = start_decoding(base, max(map(len, prompts)) + max(limits))
    logits = batch.add_rows(prefilled(base, prompts, lora))
    overlaps = base.device.type == "cuda"
    for _ in range(max(limits) - 1):
        tokens = sample_tokens(logits, samplers)
        if overlaps:
            # The GPU decodes the next tokens while these are read; for rows that have stopped, that work is wasted.
            read = start_reading(tokens)
            logits = batch.step(tokens)
            yield read()
        else:
            yield tokens.tolist()
            logits = batch.step(tokens)
    yield sample_tokens(logits, samplers).tolist()
