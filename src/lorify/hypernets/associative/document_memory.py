"""Everything that an adapter keeps of one document, how it is stored in the adapter, and how some of it is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        statistics = stored_statistics(stored)
        on_device = Statistics(statistics.S.to(device), statistics.M.to(device))
        return cls(on_device, stored.tensors["words"], CachedTokens.from_tensors(stored.tensors, device))


def within_limits(
    num_tokens: Sequence[int], documents: Sequence[DocumentMemory], limits: CacheLimits
) -> list[DocumentMemory]:
    """Drop tokens of an adapter's documents beyond its limits, so that it does not grow with their number.

    Args:
        num_tokens: number of tokens of each document.
        documents: the documents, of which the first ones keep most.
        limits: the limits.
    """
    kept_levels = _levels(num_tokens, limits)
    bounded: list[DocumentMemory] = []
    for level, document in zip(kept_levels, documents, strict=True):
        tokens = document.tokens
        if tokens is not None and level != "tokens":
            tokens = replace(tokens, memory=None) if level == "index" else None
        bounded.append(replace(document, tokens=tokens))
    return bounded


def _levels(num_tokens: Sequence[int], limits: CacheLimits) -> list[Keep]:
    """Return what may be kept of the tokens of each of an adapter's documents."""
    levels: list[Keep] = []
    num_memory = num_kept = 0
    for size in num_tokens:
        num_memory += size if size <= limits.memory_tokens else 0
        num_kept += size if size <= limits.tokens else 0
        if size > limits.tokens or num_kept > limits.adapter_tokens:
            levels.append("none")
        else:
            is_long = size > limits.memory_tokens or num_memory > limits.adapter_memory_tokens
            levels.append("index" if is_long else "tokens")
    return levels


def stored_statistics(stored: DocumentStatistics) -> Statistics:
    """Return the sums over the tokens of one document, with N = 1."""
    return Statistics(stored.tensors["S"], stored.tensors["M"])


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
    allowed = _levels([record.num_tokens for record in adapter.provenance.documents], limits)
    kept = list(zip(map(kept_of, adapter.statistics or ()), allowed, strict=True))
    if any(level == "none" and most != "none" for level, most in kept):
        return "none"
    return "index" if any(level == "index" and most == "tokens" for level, most in kept) else "tokens"


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
