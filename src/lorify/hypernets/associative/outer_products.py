"""An ablation: the memory without its solve, a scaled sum of outer products of keys and values."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.hypernets.associative.document_memory import DocumentMemory, upper_triangle, without_tokens
from lorify.hypernets.associative.internalizer import AssociativeInternalizer


def write_outer_products(internalizer: AssociativeInternalizer, adapter: Adapter) -> Adapter:
    """Rewrite an adapter with `B = s M / (tr(S) / r + lambda)` in place of `s (S + lambda)^-1 M`.

    The form of Generative Adapter (arXiv 2411.05877). The hypernetwork was not trained for it.

    Args:
        internalizer: the hypernetwork that made the adapter.
        adapter: an adapter with statistics.
    """
    bare = without_tokens(adapter)
    # With an isotropic S the solve is a division, and the adapter is written as always.
    memories = [DocumentMemory.from_stored(stored, torch.device("cpu")) for stored in bare.statistics or ()]
    isotropic = tuple(replace(memory, S_upper=upper_triangle(_isotropic(memory.S))).to_stored() for memory in memories)
    return internalizer.add(replace(bare, statistics=isotropic), [])


def _isotropic(S: Tensor) -> Tensor:
    """The multiple of the identity with the same trace as `S [..., r, r]`."""
    mean = S.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return mean * torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
