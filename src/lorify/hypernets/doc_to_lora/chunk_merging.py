"""Merge LoRA weights of several chunks into one update: ranks are concatenated, with the bias adapter at the end.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3; the bias adapter and the scales follow its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lorify.adapters import LoraPair
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.hypernets.doc_to_lora.network import GeneratedLora


def merge_chunks(
    generated: Mapping[str, GeneratedLora],
    num_chunks: Sequence[int],
    bias: Mapping[str, GeneratedLora] | None,
    *,
    chunk_scales: Tensor | None = None,
    bias_scale: float = 1.0,
) -> dict[str, GeneratedLora]:
    """Merge groups of consecutive chunks into one update each.

    Args:
        generated: module name -> weights of all chunks, `A [chunks, L, r, in]`, `B [chunks, L, r, out]`.
        num_chunks: number of chunks of each group, in order.
        bias: the bias adapter, with N = 1; None if there is none.
        chunk_scales: `[chunks]`, factors of the chunks' `A`.
        bias_scale: factor of both `A` and `B` of the bias adapter.

    Returns:
        `A [groups, L, R, in]`, `B [groups, L, R, out]`; groups of lower rank are padded with zeros.
    """
    merged = {}
    for name, weights in generated.items():
        A = weights.A if chunk_scales is None else weights.A * chunk_scales.to(weights.A).view(-1, 1, 1, 1)
        own = None if bias is None else bias[name]
        merged[name] = GeneratedLora(
            _stack_ranks(A, num_chunks, None if own is None else own.A[0] * bias_scale),
            _stack_ranks(weights.B, num_chunks, None if own is None else own.B[0] * bias_scale),
        )
    return merged


def _stack_ranks(weights: Tensor, num_chunks: Sequence[int], bias: Tensor | None) -> Tensor:
    """Concatenate the rows `[chunks, L, r, d]` of each group and the bias `[L, r, d]`: `[groups, L, R, d]`."""
    groups = []
    for chunks in weights.split(list(num_chunks)):
        stacked = chunks.transpose(0, 1).flatten(1, 2)  # [L, chunks*r, d]
        groups.append(stacked if bias is None else torch.cat([stacked, bias], dim=1))
    rank = max(group.shape[1] for group in groups)
    return torch.stack([torch.nn.functional.pad(group, (0, 0, 0, rank - group.shape[1])) for group in groups])


def as_lora_batch(
    merged: Mapping[str, GeneratedLora], scaling: float, *, first_layer: int = 0, owner: Tensor | None = None
) -> LoraBatch:
    """Convert merged weights for the hooks of a base.

    Args:
        merged: module name -> weights, one group per row of the batch, or per owner.
        scaling: factor of the updates.
        first_layer: the first adapted block.
        owner: `[tokens]`, the group of each token, if the batch is a single packed sequence.
    """
    return {
        (layer, name): LoraTensors(A, B * scaling, owner)
        for name, weights in merged.items()
        for layer, (A, B) in enumerate(zip(weights.A.unbind(1), weights.B.unbind(1), strict=True), first_layer)
    }


def as_lora_pairs(merged: Mapping[str, GeneratedLora], *, first_layer: int = 0) -> dict[Key, LoraPair]:
    """Convert the weights of a single group into an adapter's pairs, without the scaling."""
    return {
        (layer, name): LoraPair(A.contiguous(), B.T.contiguous())
        for name, weights in merged.items()
        for layer, (A, B) in enumerate(zip(weights.A[0], weights.B[0], strict=True), first_layer)
    }
