"""An ablation: the memory without its solve, a scaled sum of outer products of keys and values."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.hypernets.associative.document_memory import DocumentMemory, upper_triangle, without_tokens


def isotropic_keys(adapter: Adapter) -> Adapter:
    """Replace the statistics of an adapter's keys by isotropic ones with the same trace, and drop its tokens.

    An adapter written from them has `B = s M / (tr(S) / r + lambda)` instead of `s (S + lambda)^-1 M`: the form of
    Generative Adapter (arXiv 2411.05877). The hypernetwork was not trained for it.

    Args:
        adapter: an adapter with the statistics of an associative hypernetwork.
    """
    bare = without_tokens(adapter)
    memories = [DocumentMemory.from_stored(stored, torch.device("cpu")) for stored in bare.statistics or ()]
    isotropic = tuple(replace(memory, S_upper=upper_triangle(_isotropic(memory.S))).to_stored() for memory in memories)
    return replace(bare, statistics=isotropic)


def _isotropic(S: Tensor) -> Tensor:
    """The multiple of the identity with the same trace as `S [..., r, r]`."""
    mean = S.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return mean * torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
