"""Everything that an adapter keeps of one document: how it is stored, and how parts of it are dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

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
    """The memory of one document in its stored form, which is widened on use.

    Each document is rounded separately, so adding and removing documents stays exact.

    Attributes:
        S_upper: one triangle of the weighted sum of the key outer products of all its tokens `[L, r (r + 1) / 2]`.
        M: weighted sum of their key-value outer products `[L, 1, r, d]`, float16; None if it can be computed from the
            keys and values in `tokens`. Float32 if stored before lorify 0.2.
        M_unit: unit of each block of `M` `[L, 1, 1, 1]`; None without `M`.
        words: hashes of its words `[words]`.
        tokens: its tokens; None without a reader or if there are too many.
    """

    S_upper: Tensor
    M: Tensor | None
    M_unit: Tensor | None
    words: Tensor
    tokens: CachedTokens | None

    @classmethod
    def of(cls, statistics: Statistics, words: Tensor, tokens: CachedTokens | None) -> DocumentMemory:
        """Build the memory from sums over all tokens of a document, and its tokens."""
        follows = tokens is not None and tokens.memory is not None
        M, unit = (None, None) if follows else _rounded(statistics.M)
        return cls(upper_triangle(statistics.S), M, unit, words, tokens)

    @cached_property
    def S(self) -> Tensor:
        """Weighted sum of the key outer products `[L, 1, r, r]`."""
        return _symmetric(self.S_upper)

    @cached_property
    def statistics(self) -> Statistics:
        """Sums over all tokens, with N = 1, in the stored precision."""
        M, unit = self._rounded_M if self.M is None or self.M_unit is None else (self.M, self.M_unit)
        return Statistics(self.S, M.float() * unit)

    @property
    def _rounded_M(self) -> tuple[Tensor, Tensor]:
        if self.M is not None and self.M_unit is not None:
            return (self.M, self.M_unit) if self.M.dtype == torch.float16 else _rounded(self.M * self.M_unit)
        assert self.tokens is not None and self.tokens.memory is not None
        return _rounded(self.tokens.memory.value_sum() * self.tokens.scale.to(self.S_upper.device))

    def scaled(self, scale: float) -> DocumentMemory:
        """Multiply the weight of all tokens by `scale`."""
        tokens = self.tokens.scaled(scale) if self.tokens is not None else None
        unit = None if self.M_unit is None else self.M_unit * scale
        return replace(self, S_upper=self.S_upper * scale, M_unit=unit, tokens=tokens)

    def reduced(self, keep: Keep) -> DocumentMemory:
        """Drop token data beyond `keep`."""
        if self.tokens is None or keep == "tokens":
            return self
        tokens = replace(self.tokens, memory=None) if keep == "index" else None
        return DocumentMemory(self.S_upper, *self._rounded_M, self.words, tokens)

    def to_stored(self) -> DocumentStatistics:
        """Convert to the form that adapters store."""
        tensors = {"S_upper": self.S_upper, "words": self.words}
        if self.M is not None:
            tensors["M"], tensors["M_unit"] = self._rounded_M
        return DocumentStatistics(tensors | (self.tokens.to_tensors() if self.tokens is not None else {}))

    @classmethod
    def from_stored(cls, stored: DocumentStatistics, device: torch.device) -> DocumentMemory:
        """Convert from the form that adapters store; the tensors used in computations are moved to `device`."""
        tensors = stored.tensors
        words, tokens = tensors["words"], CachedTokens.from_tensors(tensors, device)
        if "S" in tensors:  # before lorify 0.2, both were stored whole in float32
            M = tensors["M"].to(device)
            return cls(upper_triangle(tensors["S"].to(device)), M, M.new_ones(len(M), 1, 1, 1), words, tokens)
        M, unit = (tensors[name].to(device) if name in tensors else None for name in ("M", "M_unit"))
        return cls(tensors["S_upper"].to(device), M, unit, words, tokens)


def _rounded(M: Tensor) -> tuple[Tensor, Tensor]:
    """Round `M [L, 1, r, d]` to float16, in units `[L, 1, 1, 1]` that keep it in range."""
    unit = M.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-30).float()
    return (M / unit).half(), unit


def upper_triangle(S: Tensor) -> Tensor:
    """Take the upper triangle of `S [L, 1, r, r]`, which is symmetric: `[L, r (r + 1) / 2]`, float32."""
    rows, columns = torch.triu_indices(*S.shape[-2:], device=S.device)
    return S[:, 0, rows, columns].float()


def _symmetric(upper: Tensor) -> Tensor:
    """Restore `S [L, 1, r, r]` from its upper triangle `[L, r (r + 1) / 2]`."""
    r = (math.isqrt(8 * upper.shape[-1] + 1) - 1) // 2
    rows, columns = torch.triu_indices(r, r, device=upper.device)
    S = upper.new_zeros(len(upper), 1, r, r)
    S[:, 0, rows, columns] = upper
    S[:, 0, columns, rows] = upper
    return S


def within_limits(
    num_tokens: Sequence[int], documents: Sequence[DocumentMemory], limits: CacheLimits
) -> list[DocumentMemory]:
    """Drop tokens of an adapter's documents beyond the limits, so that its size does not grow with their number.

    Args:
        num_tokens: number of tokens of each document.
        documents: the documents; the first ones keep the most.
        limits: the limits.
    """
    kept_levels = _levels(num_tokens, limits)
    return [document.reduced(level) for level, document in zip(kept_levels, documents, strict=True)]


def _levels(num_tokens: Sequence[int], limits: CacheLimits) -> list[Keep]:
    """Return how much of the tokens of each document of an adapter may be kept."""
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


def stored_statistics(stored: DocumentStatistics, device: torch.device) -> Statistics:
    """Return the sums over the tokens of one document, with N = 1."""
    return DocumentMemory.from_stored(stored, device).statistics


def stored_words(adapter: Adapter) -> Tensor:
    """Return the hashes of the words of all documents of an adapter `[words]`."""
    return torch.cat([stored.tensors["words"] for stored in adapter.statistics or ()])


def key_digest(stored: DocumentStatistics) -> bytes:
    """Compute the digest of `S`, equal only for the same tokens with the same weights."""
    return stored.digest("S_upper" if "S_upper" in stored.tensors else "S")


def kept_of(stored: DocumentStatistics) -> Keep:
    """Return how much of one document's tokens is kept."""
    if not any(name.startswith(PREFIX) for name in stored.tensors):
        return "none"
    return "tokens" if _MEMORY_NAMES <= stored.tensors.keys() else "index"


def kept_by_choice(adapter: Adapter, limits: CacheLimits) -> Keep:
    """Return the `keep` that an adapter was made with.

    Args:
        adapter: the adapter.
        limits: the limits it was made with. Documents beyond them keep less than was chosen, so only the others count.
    """
    allowed = _levels([record.num_tokens for record in adapter.provenance.documents], limits)
    kept = list(zip(map(kept_of, adapter.statistics or ()), allowed, strict=True))
    if any(level == "none" and most != "none" for level, most in kept):
        return "none"
    return "index" if any(level == "index" and most == "tokens" for level, most in kept) else "tokens"


def reduce_tokens(adapter: Adapter, keep: Keep) -> Adapter:
    """Drop token data of an adapter's documents beyond `keep`."""
    if adapter.statistics is None or keep == "tokens":
        return adapter
    statistics = tuple(
        DocumentMemory.from_stored(stored, torch.device("cpu")).reduced(keep).to_stored()
        for stored in adapter.statistics
    )
    return replace(adapter, statistics=statistics)


def without_tokens(adapter: Adapter) -> Adapter:
    """Drop the tokens of an adapter's documents, so that it can no longer be focused."""
    return reduce_tokens(adapter, "none")
