"""Run the upper blocks of a base again with other updates, for inputs that already went through the lower blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from lorify.base.activations import ActivationHooks, BlockCall
from lorify.base.structure import probe_ids

NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "embedding_norm")
"""Names that architectures use for the norm after the last block."""


@dataclass(frozen=True)
class UpperBlocks:
    """All blocks from a certain one on, with the arguments of their calls.

    Attributes:
        blocks: the blocks.
        calls: the call of each block.
        norm: the norm after the last block.
    """

    blocks: Sequence[nn.Module]
    calls: Sequence[BlockCall]
    norm: nn.Module

    def run(self) -> Tensor:
        """Compute the last hidden states `[batch, tokens, hidden]`, with the updates that are applied now."""
        hidden = self.calls[0].hidden
        for block, call in zip(self.blocks, self.calls, strict=True):
            output = block(hidden, *call.args, **call.kwargs)
            hidden = output[0] if isinstance(output, tuple) else output
        return self.norm(hidden)


@contextmanager
def recorded_upper_blocks(
    hooks: ActivationHooks, blocks: Sequence[nn.Module], norm: nn.Module | None, first_layer: int
) -> Iterator[list[UpperBlocks]]:
    """Record a forward pass inside the `with` block (see `BaseLM.recorded_upper_blocks`)."""
    found: list[UpperBlocks] = []
    with hooks.recorded_calls() as calls:
        yield found
    layers = range(first_layer, len(blocks))
    if norm is not None and all(layer in calls for layer in layers):
        found.append(UpperBlocks(blocks[first_layer:], [calls[layer] for layer in layers], norm))


def find_final_norm(
    decoder: nn.Module, hooks: ActivationHooks, blocks: Sequence[nn.Module], device: torch.device
) -> nn.Module | None:
    """Find the norm after the last block; None if that block's output and the norm do not give the decoder's output."""
    # In a separate context, so that updates and recordings around this call do not affect it.
    return Context().run(_find_final_norm, decoder, hooks, blocks, device)


@torch.no_grad()
def _find_final_norm(
    decoder: nn.Module, hooks: ActivationHooks, blocks: Sequence[nn.Module], device: torch.device
) -> nn.Module | None:
    norm = next((cast(nn.Module, getattr(decoder, name)) for name in NORM_NAMES if hasattr(decoder, name)), None)
    with hooks.recorded_calls() as calls:
        expected = decoder(input_ids=probe_ids(device), use_cache=False).last_hidden_state
    last = len(blocks) - 1
    if norm is None or last not in calls:
        return None
    return norm if torch.equal(UpperBlocks(blocks[last:], [calls[last]], norm).run(), expected) else None
