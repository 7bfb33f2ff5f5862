"""Everything that an adapter keeps of one document, and how it is stored in the adapter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.token_cache import PREFIX, CachedTokens


@dataclass(frozen=True)
class DocumentMemory:
    """The stored memory of one document.

    Attributes:
        statistics: sums over all its tokens, with N = 1.
        words: hashes of its words `[words]`.
        tokens: its tokens; None if there is no reader, or there are too many of them.
    """

    statistics: Statistics
    words: Tensor
    tokens: CachedTokens | None

    def scaled(self, scale: float) -> DocumentMemory:
        """Multiply the weight of all tokens by `scale`."""
        tokens = self.tokens.scaled(scale) if self.tokens is not None else None
        return DocumentMemory(self.statistics.scaled(scale), self.words, tokens)

    def to_stored(self) -> DocumentStatistics:
        """Convert to the form that adapters store."""
        tokens = self.tokens.to_tensors() if self.tokens is not None else {}
        S, M = self.statistics.S.float(), self.statistics.M.float()
        return DocumentStatistics({"S": S, "M": M, "words": self.words, **tokens})

    @classmethod
    def from_stored(cls, stored: DocumentStatistics, device: torch.device) -> DocumentMemory:
        """Convert from the form that adapters store; the tensors used in computations are moved to `device`."""
        tensors = stored.tensors
        statistics = Statistics(tensors["S"].to(device), tensors["M"].to(device))
        return cls(statistics, tensors["words"], CachedTokens.from_tensors(tensors, device))


def stored_words(adapter: Adapter) -> Tensor:
    """Return the hashes of the words of all documents of an adapter `[words]`."""
    return torch.cat([stored.tensors["words"] for stored in adapter.statistics or ()])


def key_digest(stored: DocumentStatistics) -> bytes:
    """Compute the digest of `S`, equal only for the same tokens with the same weights."""
    return stored.digest("S")


def without_tokens(adapter: Adapter) -> Adapter:
    """Drop the tokens of an adapter's documents, so that it can no longer be focused."""
    if adapter.statistics is None:
        return adapter
    kept = tuple(
        DocumentStatistics({name: x for name, x in stored.tensors.items() if not name.startswith(PREFIX)})
        for stored in adapter.statistics
    )
    return replace(adapter, statistics=kept)
