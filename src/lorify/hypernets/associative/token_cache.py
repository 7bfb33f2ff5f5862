"""What an adapter keeps of its documents' tokens, so that it can be written anew for a question.

The reader's vector of every token is kept, in which the answer's place is found. The keys and values of the memory are
kept of short documents only, since they take sixty times as much; chunks of a longer one are encoded again where an
answer is found in them, from their token ids.

Shape letters: L adapted blocks, t tokens of the memory, r key size, d hidden size, w width of the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lorify.hypernets.associative.network import TokenMemory

_PREFIX = "token_"


@dataclass(frozen=True)
class KeptMemory:
    """Keys and values of some tokens, rounded: about 17 KB a token for the default base.

    Attributes:
        keys: `[L, t, r]`, float16.
        values: `[L, t, d]`, int8: in units of `value_units`.
        value_units: `[L, t]`, float32.
        weights: `[L, t]`, float32.
    """

    keys: Tensor
    values: Tensor
    value_units: Tensor
    weights: Tensor

    @classmethod
    def of(cls, memory: TokenMemory, row: int, known: Tensor) -> KeptMemory:
        """Of one chunk: row `row` of a memory, at the tokens `known [T]`."""
        values = memory.values[:, row, known]
        units = values.abs().amax(-1).clamp_min(1e-8) / 127
        rounded = (values / units.unsqueeze(-1)).round().to(torch.int8)
        return cls(memory.keys[:, row, known].half(), rounded, units, memory.weights[:, row, known])

    @classmethod
    def joined(cls, parts: Sequence[KeptMemory]) -> KeptMemory:
        """Of several chunks, one after the other."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts], dim=1) for field in fields(cls)))

    def chosen(self, index: Tensor) -> TokenMemory:
        """Some tokens `[L, 1, n, ...]` by their index `[n]`."""
        values = self.values[:, index] * self.value_units[:, index].unsqueeze(-1)
        keys, weights = self.keys[:, index].float(), self.weights[:, index]
        return TokenMemory(keys.unsqueeze(1), values.unsqueeze(1), weights.unsqueeze(1))


@dataclass(frozen=True)
class KeptTokens:
    """The tokens of a document, in about 0.3 KB a token for the default base besides their memory.

    Attributes:
        ids: of each chunk all tokens as they were encoded, one chunk after the other `[tokens]`, int32.
        chunk_sizes: how many of them each chunk has `[chunks]`, int32; all but its last are in the memory.
        words: the word that ends in each token of the memory, from `ending_words`, `[t]`.
        document: the reader's vector of each `[t, w]`, float16.
        scale: how much they all count `[]`.
        memory: their keys and values; None: to be had by encoding chunks again.
    """

    ids: Tensor
    chunk_sizes: Tensor
    words: Tensor
    document: Tensor
    scale: Tensor
    memory: KeptMemory | None

    @classmethod
    def joined(cls, parts: Sequence[KeptTokens]) -> KeptTokens:
        """Of several chunks of one document, one after the other; without a memory if one of them has none."""
        memories = [part.memory for part in parts if part.memory is not None]
        return cls(
            ids=torch.cat([part.ids for part in parts]),
            chunk_sizes=torch.cat([part.chunk_sizes for part in parts]),
            words=torch.cat([part.words for part in parts]),
            document=torch.cat([part.document for part in parts]),
            scale=parts[0].scale,
            memory=KeptMemory.joined(memories) if len(memories) == len(parts) else None,
        )

    def scaled(self, scale: float) -> KeptTokens:
        """The same, counting `scale` times as much."""
        return replace(self, scale=self.scale * scale)

    def chunk(self, number: int) -> list[int]:
        """The tokens of one chunk as they were encoded."""
        return self.ids.split(self.chunk_sizes.tolist())[number].tolist()

    def chunk_of(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The chunks of tokens of the memory, and their places there, from their indices `[n]`: `[n]` both."""
        ends = (self.chunk_sizes - 1).cumsum(0)
        chunks = torch.searchsorted(ends, index, right=True)
        starts = ends - (self.chunk_sizes - 1)
        return chunks, index - starts[chunks]

    def flat(self) -> dict[str, Tensor]:
        """Named tensors, to be stored."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "memory"}
        if self.memory is not None:
            named |= {field.name: getattr(self.memory, field.name) for field in fields(self.memory)}
        return {_PREFIX + name: tensor for name, tensor in named.items()}

    @classmethod
    def from_flat(cls, tensors: Mapping[str, Tensor], device: torch.device) -> KeptTokens | None:
        """From named tensors; None if they hold no tokens."""
        if f"{_PREFIX}ids" not in tensors:
            return None
        named = {name.removeprefix(_PREFIX): x for name, x in tensors.items() if name.startswith(_PREFIX)}
        memory = None
        if "keys" in named:
            memory = KeptMemory(*(named.pop(field.name).to(device) for field in fields(KeptMemory)))
        named["document"] = named["document"].to(device)
        return cls(**named, memory=memory)


def without_tokens(statistics: Sequence[Mapping[str, Tensor]]) -> tuple[dict[str, Tensor], ...]:
    """An adapter's statistics without the tokens of its documents: it is then the same for all questions."""
    return tuple({n: x for n, x in document.items() if not n.startswith(_PREFIX)} for document in statistics)


def choose_tokens(
    documents: Sequence[KeptTokens], factors: Sequence[Tensor], num_tokens: int, num_chunks: int
) -> list[Tensor]:
    """The tokens that count most, such that few chunks have to be encoded again.

    Args:
        documents: of one adapter.
        factors: how much each token of each counts `[t]`.
        num_tokens: how many to choose.
        num_chunks: how many chunks of documents without a memory they may be from: those of the first among them.

    Returns:
        The index of the chosen tokens in each document, in order.
    """
    number = torch.cat([torch.full((len(found),), i) for i, found in enumerate(factors)])
    token = torch.cat([torch.arange(len(found)) for found in factors])
    best = torch.cat([found.cpu() for found in factors]).topk(min(num_tokens, len(token))).indices
    chosen: list[list[int]] = [[] for _ in documents]
    again: set[tuple[int, int]] = set()  # document and chunk
    for document, index in zip(number[best].tolist(), token[best].tolist(), strict=True):
        if documents[document].memory is None:
            chunk = (document, int(documents[document].chunk_of(torch.tensor(index))[0]))
            if chunk not in again and len(again) == num_chunks:
                continue
            again.add(chunk)
        chosen[document].append(index)
    return [torch.tensor(sorted(indices), dtype=torch.int64) for indices in chosen]
