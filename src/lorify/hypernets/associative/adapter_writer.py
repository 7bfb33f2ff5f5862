"""Write adapters: from statistics to LoRA matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lorify.adapters import Adapter, LoraPair, Provenance
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.hypernets.associative.document_memory import DocumentMemory
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, address_adapters


@dataclass(frozen=True)
class AdapterWriter:
    """Writes the adapters of a hypernetwork.

    Attributes:
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        dtype: dtype of `A`: that of the base, which multiplies with it.
    """

    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    dtype: torch.dtype

    @cached_property
    @torch.no_grad()
    def _lora_A(self) -> Tensor:
        return self.hypernetwork.lora_A().to(self.dtype)

    @torch.no_grad()
    def solve(self, documents: Sequence[DocumentMemory]) -> Tensor:
        """Solve for `B [L, 1, r, d]` of documents, the same for all questions."""
        S = sum_documents([document.statistics.S for document in documents])
        M = sum_documents([document.statistics.M for document in documents])
        return self.hypernetwork.write(Statistics(S, M))

    def to_adapter(
        self, B: Tensor, provenance: Provenance, statistics: tuple[DocumentStatistics, ...] | None = None
    ) -> Adapter:
        """Make an adapter of one context.

        Args:
            B: `[L, 1, r, d]`.
            provenance: its provenance.
            statistics: what it keeps of its documents; None if they cannot change.
        """
        weights = {
            key: LoraPair(tensors.A, tensors.B[0].T)
            for key, tensors in address_adapters(self.config, self._lora_A, B).items()
        }
        return Adapter(weights=weights, lora_alpha=float(B.shape[2]), provenance=provenance, statistics=statistics)


def sum_documents(parts: Sequence[Tensor]) -> Tensor:
    """Add up tensors of documents in float64 and in order, so that adding and removing a document leaves no trace."""
    return torch.stack([part.double() for part in parts]).sum(0)
