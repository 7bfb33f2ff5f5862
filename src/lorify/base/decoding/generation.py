"""Generation: continue a batch of prompts to the end, or one prompt token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        options: length limit and sampling; with a seed, row `i` uses `seed + i`.
        lora: the update of each row, or None for the bare base.
        stop_ids: tokens that end a row; they are not returned.

    Returns:
        The new tokens of each row.
    """
    rows: list[list[int]] = [[] for _ in prompts]
    live = set(range(len(rows)))
    for tokens in _decode(base, prompts, lora, options):
        live = {row for row in live if tokens[row] not in stop_ids}
        for row in live:
            rows[row].append(tokens[row])
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


def start_sampler(base: BaseLM, options: GenerationOptions, answer: Sequence[int] = ()) -> Sampler:
    """Return the sampler of a row that starts.

    Args:
        base: the base.
        options: the row's options; a constraint comes before a known answer.
        answer: the tokens of the answer if it is known already.
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
    samplers = [start_sampler(base, options.with_seed_offset(row)) for row in range(len(prompts))]
    batch = start_decoding(base, max(map(len, prompts)) + options.max_new_tokens)
    logits = batch.add_rows(prefilled(base, prompts, lora))
    overlaps = base.device.type == "cuda"
    for _ in range(options.max_new_tokens - 1):
        tokens = sample_tokens(logits, samplers)
        if overlaps:
            # The card decodes the next tokens while these are read; if a row has stopped, that was for nothing.
            read = start_reading(tokens)
            logits = batch.step(tokens)
            yield read()
        else:
            yield tokens.tolist()
            logits = batch.step(tokens)
    yield sample_tokens(logits, samplers).tolist()
