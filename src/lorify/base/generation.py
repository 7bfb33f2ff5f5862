"""Decoding with the base model: batches of prompts, and one prompt token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseModel


def generate_batch(
    base: BaseModel,
    prompts: Sequence[Sequence[int]],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> list[list[int]]:
    """Continue a batch of prompts.

    Args:
        base: the base model.
        prompts: token ids of each row; rows may differ in length.
        lora: the update of each row, or None.
        max_new_tokens: longest continuation, in tokens.
        stop_ids: tokens that end a row; they are not returned.
        temperature: 0 is greedy.
        top_p: nucleus of the sampling.
        seed: seed of the sampling.

    Returns:
        The new tokens of each row.
    """
    rows: list[list[int]] = [[] for _ in prompts]
    live = set(range(len(rows)))
    for tokens in _decode(base, prompts, lora, max_new_tokens, _Sampler(base.device, temperature, top_p, seed)):
        for row in list(live):
            if tokens[row] in stop_ids:
                live.discard(row)
            else:
                rows[row].append(tokens[row])
        if not live:
            break
    return rows


def stream_tokens(
    base: BaseModel,
    prompt: Sequence[int],
    *,
    lora: LoraBatch | None,
    max_new_tokens: int,
    stop_ids: set[int],
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> Iterator[int]:
    """Continue one prompt, yielding each token as it comes; arguments as for `generate_batch`."""
    for tokens in _decode(base, [prompt], lora, max_new_tokens, _Sampler(base.device, temperature, top_p, seed)):
        if tokens[0] in stop_ids:
            return
        yield tokens[0]


def _decode(
    base: BaseModel, prompts: Sequence[Sequence[int]], lora: LoraBatch | None, max_new_tokens: int, sampler: _Sampler
) -> Iterator[list[int]]:
    """One list of tokens (one a row) per step."""
    if not prompts or max_new_tokens < 1:
        return
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    ids, mask = ids.to(base.device), mask.to(base.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=base.model.config)
    for _ in range(max_new_tokens):
        with torch.inference_mode(), base.hooks.applied(lora):
            output = base.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            tokens = sampler(output.logits[:, -1])
            ids = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
            positions = positions[:, -1:] + 1
        yield tokens.tolist()


class _Sampler:
    """Picks the next token of each row."""

    def __init__(self, device: torch.device, temperature: float, top_p: float, seed: int | None) -> None:
        self.temperature = temperature
        self.top_p = top_p
        self.generator = torch.Generator(device)
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __call__(self, logits: Tensor) -> Tensor:
        """`[batch, vocabulary]` -> `[batch]`."""
        if self.temperature <= 0:
            return logits.argmax(-1)
        probabilities = (logits.float() / self.temperature).softmax(-1)
        if self.top_p < 1:
            ordered, order = probabilities.sort(-1, descending=True)
            ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= self.top_p, 0.0)
            probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
        return torch.multinomial(probabilities, 1, generator=self.generator)[:, 0]
