"""LoRA weights of several chunks as one update: ranks are concatenated, the bias adapter comes last.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3; the bias adapter and the scales are those of its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lorify.adapters import LoraPair
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.hypernets.doc_to_lora.network import Generated


def merge_chunks(
    generated: Mapping[str, Generated],
    num_chunks: Sequence[int],
    bias: Mapping[str, Generated] | None,
    *,
    chunk_scales: Tensor | None = None,
    bias_scale: float = 1.0,
) -> dict[str, Generated]:
    """One update for each group of chunks.

    Args:
        generated: weights of all chunks by module name, `A [chunks, L, r, d_in]`, `B [chunks, L, r, d_out]`.
        num_chunks: how many chunks each group has, in order.
        bias: the bias adapter, with N = 1; None for none.
        chunk_scales: `[chunks]`, what the `A` of each chunk is multiplied by.
        bias_scale: what `A` and `B` of the bias adapter are both multiplied by.

    Returns:
        `A [groups, L, R, d_in]`, `B [groups, L, R, d_out]`; groups of lower rank are filled up with zeros.
    """
    merged = {}
    for name, weights in generated.items():
        A = weights.A if chunk_scales is None else weights.A * chunk_scales.to(weights.A).view(-1, 1, 1, 1)
        own = None if bias is None else bias[name]
        merged[name] = Generated(
            _stack(A, num_chunks, None if own is None else own.A[0] * bias_scale),
            _stack(weights.B, num_chunks, None if own is None else own.B[0] * bias_scale),
        )
    return merged


def _stack(weights: Tensor, num_chunks: Sequence[int], bias: Tensor | None) -> Tensor:
    """Rows `[chunks, L, r, d]` of each group one below the other, then the bias `[L, r, d]`: `[groups, L, R, d]`."""
    groups = []
    for chunks in weights.split(list(num_chunks)):
        stacked = chunks.transpose(0, 1).flatten(1, 2)  # [L, chunks*r, d]
        groups.append(stacked if bias is None else torch.cat([stacked, bias], dim=1))
    rank = max(group.shape[1] for group in groups)
    return torch.stack([torch.nn.functional.pad(group, (0, 0, 0, rank - group.shape[1])) for group in groups])


def as_lora_batch(
    merged: Mapping[str, Generated], scaling: float, *, first_layer: int = 0, owner: Tensor | None = None
) -> LoraBatch:
    """Merged weights for the hooks of a base: a row for each group, or a sequence whose tokens have owners.

    Args:
        merged: weights by module, of a group for each row or owner.
        scaling: what updates are multiplied by.
        first_layer: the first adapted block.
        owner: the group of each token `[tokens]` of a single sequence, if they are in one.
    """
    return {
        (layer, name): LoraTensors(A, B * scaling, owner)
        for name, weights in merged.items()
        for layer, (A, B) in enumerate(zip(weights.A.unbind(1), weights.B.unbind(1), strict=True), first_layer)
    }


def as_lora_pairs(merged: Mapping[str, Generated], *, first_layer: int = 0) -> dict[Key, LoraPair]:
    """Merged weights of the only group, without the scaling, as an adapter keeps them."""
    return {
        (layer, name): LoraPair(A.contiguous(), B.T.contiguous())
        for name, weights in merged.items()
        for layer, (A, B) in enumerate(zip(weights.A[0], weights.B[0], strict=True), first_layer)
    }
