"""Everything that an adapter keeps of one document, how it is stored in the adapter, and how some of it is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.token_cache import PREFIX, CachedTokens, CacheLimits, QuantizedMemory
from lorify.hypernets.internalizer import Keep

_MEMORY_NAMES = frozenset(PREFIX + field.name for field in fields(QuantizedMemory))


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


def kept_of(stored: DocumentStatistics) -> Keep:
    """Return what is kept of the tokens of one document."""
    if not any(name.startswith(PREFIX) for name in stored.tensors):
        return "none"
    return "tokens" if _MEMORY_NAMES <= stored.tensors.keys() else "index"


def kept_by_choice(adapter: Adapter, limits: CacheLimits) -> Keep:
    """Return what an adapter was made to keep.

    Args:
        adapter: the adapter.
        limits: the limits it was made with. Of documents beyond them less is kept than was chosen, so only the others
            tell what was.
    """
    kept = [
        (record.num_tokens, kept_of(stored))
        for record, stored in zip(adapter.provenance.documents, adapter.statistics or (), strict=True)
    ]
    if any(level == "none" for num_tokens, level in kept if num_tokens <= limits.tokens):
        return "none"
    return (
        "index"
        if any(level == "index" for num_tokens, level in kept if num_tokens <= limits.memory_tokens)
        else "tokens"
    )


def reduce_tokens(adapter: Adapter, keep: Keep) -> Adapter:
    """Drop what an adapter keeps of its documents' tokens beyond `keep`."""
    if adapter.statistics is None or keep == "tokens":
        return adapter
    return replace(adapter, statistics=tuple(_reduced(stored.tensors, keep) for stored in adapter.statistics))


def without_tokens(adapter: Adapter) -> Adapter:
    """Drop the tokens of an adapter's documents, so that it can no longer be focused."""
    return reduce_tokens(adapter, "none")


def _reduced(tensors: Mapping[str, Tensor], keep: Keep) -> DocumentStatistics:
    def is_dropped(name: str) -> bool:
        return name in _MEMORY_NAMES if keep == "index" else name.startswith(PREFIX)

    return DocumentStatistics({name: x for name, x in tensors.items() if not is_dropped(name)})
