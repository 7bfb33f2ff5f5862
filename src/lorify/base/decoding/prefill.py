"""Prefill: process prompts, whole or in pieces with decoding steps of other rows in between.

Shapes: N prompts, T positions, V vocabulary size.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from lorify.base.lora import LoraBatch, select_rows
from lorify.base.model import BaseLM

_SHARED_TOKENS = 64  # a shorter common prefix of prompts is not worth a forward pass of its own


class Prefill:
    """The prompts of new rows of a decoding batch, and how far they are processed.

    Attributes:
        groups: prompts that share a cache: all, unless padding would enter the state of recurrent layers.
    """

    def __init__(self, base: BaseLM, prompts: Sequence[Sequence[int]], lora: LoraBatch | None) -> None:
        """Start with nothing processed.

        Args:
            base: the base.
            prompts: token ids of each prompt, at least one each.
            lora: the update of each prompt; None if they have none.
        """
        self._in_pieces = supports_pieces(base)
        self._order = [row for rows in _groups(base, prompts) for row in rows]
        self.groups = [PromptGroup(base, prompts, rows, lora) for rows in _groups(base, prompts)]

    @property
    def is_complete(self) -> bool:
        """Whether all prompts are processed."""
        return all(group.logits is not None for group in self.groups)

    @property
    def logits(self) -> Tensor:
        """Logits `[N, V]` of the token that follows each prompt, once all are processed."""
        logits = torch.cat([group.logits for group in self.groups if group.logits is not None])
        assert len(logits) == len(self._order), "some prompts are not processed yet"
        return logits[torch.tensor(self._order, device=logits.device).argsort()]

    @torch.inference_mode()
    def advance(self, max_tokens: int) -> int:
        """Process the next tokens of the prompts with one forward pass.

        Args:
            max_tokens: limit on the positions that are processed. A base whose earlier positions depend on later ones,
                or whose state cannot be continued by several tokens, processes its prompts whole.

        Returns:
            Number of positions that were processed; 0 if all were already done.
        """
        for group in self.groups:
            if group.logits is None:
                return group.advance(max_tokens if self._in_pieces else group.width)
        return 0


class PromptGroup:
    """Prompts that are processed together, padded on the left.

    Attributes:
        prompts: their indices among the prompts of the prefill.
        lengths: their lengths in tokens.
        lora: their updates; None if they have none.
        num_shared: length of their common beginning, which is processed once.
        mask: attention mask `[N, T]`.
        cache: keys and values of the positions processed so far.
        logits: `[N, V]` of the token that follows each prompt; None until all positions are processed.
    """

    def __init__(
        self, base: BaseLM, prompts: Sequence[Sequence[int]], chosen: Sequence[int], lora: LoraBatch | None
    ) -> None:
        """Start with nothing processed.

        Args:
            base: the base.
            prompts: token ids of each prompt of the prefill.
            chosen: indices of the prompts that belong to the group.
            lora: the update of each prompt of the prefill.
        """
        own = [prompts[i] for i in chosen]
        self._base = base
        self.prompts = list(chosen)
        self.lengths = [len(prompt) for prompt in own]
        self.lora = lora if len(own) == len(prompts) else select_rows(lora, torch.tensor(chosen, device=base.device))
        self.num_shared = shared = _shared_tokens(own) if lora is None else 0
        self._shared_ids = torch.tensor([own[0][:shared]], device=base.device)
        self._ids, mask = _left_padded([prompt[shared:] for prompt in own], base.device)
        self.mask = torch.cat([mask.new_ones(len(own), shared), mask], dim=1)
        self.cache = DynamicCache(config=base.model.config)
        self.logits: Tensor | None = None
        self._num_done = 0

    @property
    def width(self) -> int:
        """Number of positions, including padding."""
        return self.mask.shape[1]

    def advance(self, max_tokens: int) -> int:
        """Process at most `max_tokens` further positions and return their number."""
        start, shared = self._num_done, self.num_shared
        if start < shared:  # for example a document in front of several questions
            end = min(start + max_tokens, shared)
            self._forward(self._shared_ids[:, start:end], self.mask[:1, :end])
            if end == shared:
                self.cache.batch_repeat_interleave(len(self.lengths))
        else:
            end = min(start + max_tokens, self.width)
            logits = self._forward(self._ids[:, start - shared : end - shared], self.mask[:, :end])
            self.logits = logits if end == self.width else None
        self._num_done = end
        return end - start

    def _forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Append tokens `[N, t]` to the cache and return the logits `[N, V]` at the last position.

        Args:
            ids: token ids `[N, t]`.
            mask: attention mask of these and all earlier positions.
        """
        with self._base.hooks.applied(self.lora):
            output = self._base.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :],
                **cache_argument(self._base, self.cache),
                use_cache=True,
                logits_to_keep=1,
            )
        return output.logits[:, -1]


def supports_pieces(base: BaseLM) -> bool:
    """Return whether prompts may be processed in pieces with the same result."""
    return not base.is_recurrent and not rope_depends_on_length(base)


def rope_depends_on_length(base: BaseLM) -> bool:
    """Return whether the rotation of earlier positions changes as a sequence grows."""
    rope = getattr(base.model.config, "rope_parameters", None) or {}
    kinds = [rope, *(kind for kind in rope.values() if isinstance(kind, dict))]  # some have one per kind of layer
    return any(kind.get("rope_type") in ("dynamic", "longrope") for kind in kinds)


def prefilled(base: BaseLM, prompts: Sequence[Sequence[int]], lora: LoraBatch | None) -> Prefill:
    """Process prompts whole; arguments as for `Prefill`."""
    prefill = Prefill(base, prompts, lora)
    while prefill.advance(max(map(len, prompts))):
        pass
    return prefill


def cache_argument(base: BaseLM, cache: DynamicCache) -> dict[str, DynamicCache]:
    """Return the cache under the argument name of this version of transformers: `past_key_values` up to 5.23."""
    known = inspect.signature(base.model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


def _groups(base: BaseLM, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group prompts that may share a cache: all, unless padding would enter the state of recurrent layers."""
    if not base.is_recurrent:
        return [list(range(len(prompts)))]
    groups: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(len(prompt), []).append(row)
    return list(groups.values())


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask, both `[N, T]`, padded on the left."""
    width = max(map(len, prompts))
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _shared_tokens(prompts: Sequence[Sequence[int]]) -> int:
    """Return the length of the prompts' common prefix, leaving at least one token of each; 0 if it is short."""
    longest = min(map(len, prompts)) - 1
    same = (len(set(tokens)) == 1 for tokens in zip(*prompts, strict=False))
    shared = min(longest, next((i for i, is_same in enumerate(same) if not is_same), longest))
    return shared if len(prompts) > 1 and shared >= _SHARED_TOKENS else 0
