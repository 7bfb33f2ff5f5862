"""Document tokens that an adapter keeps, so that it can be rebuilt for a question.

The reader's encoding of every token is kept, to locate answers. Keys and values of the memory take sixty times as much
space and are kept only for short documents. In a longer document, the chunks that contain an answer are encoded again
from their token ids.

Shape letters: L adapted blocks, t tokens of the memory, r key size, d hidden size, w width of the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lorify.hypernets.associative.memory import TokenMemory

PREFIX = "token_"
"""Name prefix of these tensors in saved adapters."""


@dataclass(frozen=True)
class CacheLimits:
    """Limits on the tokens kept per document and per adapter, and on the chunks encoded again per question.

    Attributes:
        memory_tokens: longest document whose keys and values are kept, in tokens.
        tokens: longest document whose tokens are kept; the adapter of a longer one cannot be focused.
        adapter_memory_tokens: total tokens of an adapter's documents whose keys and values are kept, from the first
            document on.
        adapter_tokens: total tokens that are kept of an adapter's documents, from the first document on.
        reencoded_chunks: maximum number of chunks encoded again for one question.
    """

    memory_tokens: int = 4096
    tokens: int = 131_072
    adapter_memory_tokens: int = 32_768
    adapter_tokens: int = 524_288
    reencoded_chunks: int = 2


DEFAULT_LIMITS = CacheLimits()


@dataclass(frozen=True)
class QuantizedMemory:
    """Keys, values and weights of tokens with reduced precision: about 17 KB a token for the default base.

    Attributes:
        keys: `[L, t, r]`, float16.
        values: `[L, t, d]`, int8, in units of `value_units`.
        value_units: `[L, t]`, float32.
        weights: `[L, t]`, float32.
    """

    keys: Tensor
    values: Tensor
    value_units: Tensor
    weights: Tensor

    @classmethod
    def quantize(cls, memory: TokenMemory) -> QuantizedMemory:
        """Quantize the memory of one chunk.

        Keys become float16. Values become int8 in units of 1/127 of the largest absolute value of each token and block.

        Args:
            memory: keys `[L, 1, t, r]`, values `[L, 1, t, d]` and weights `[L, 1, t]`.
        """
        values = memory.values.squeeze(1)
        units = values.abs().amax(-1).clamp_min(1e-8) / 127
        rounded = (values / units.unsqueeze(-1)).round().to(torch.int8)
        return cls(memory.keys.squeeze(1).half(), rounded, units, memory.weights.squeeze(1))

    @classmethod
    def concatenated(cls, parts: Sequence[QuantizedMemory]) -> QuantizedMemory:
        """Join the quantized memories of consecutive chunks along their tokens."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts], dim=1) for field in fields(cls)))

    def select(self, index: Tensor) -> TokenMemory:
        """Dequantize the tokens at these indices `[n]`: `[L, 1, n, ...]`."""
        values = self.values[:, index] * self.value_units[:, index].unsqueeze(-1)
        keys, weights = self.keys[:, index].float(), self.weights[:, index]
        return TokenMemory(keys.unsqueeze(1), values.unsqueeze(1), weights.unsqueeze(1))

    def value_sum(self) -> Tensor:
        """Compute `M [L, 1, r, d]`, the weighted sum of the key-value outer products of all tokens."""
        # Block by block, as values in float32 take four times the memory.
        blocks = zip(self.keys, self.values, self.weights * self.value_units, strict=True)
        return torch.stack(
            [(keys.float() * weights.unsqueeze(1)).T @ values.float() for keys, values, weights in blocks]
        ).unsqueeze(1)


@dataclass(frozen=True)
class CachedTokens:
    """Tokens of a document: about 0.3 KB a token for the default base, without keys and values.

    Attributes:
        ids: all tokens of all chunks, one chunk after another `[tokens]`, int32.
        chunk_sizes: number of tokens of each chunk `[chunks]`, int32; all but its last are in the memory.
        words: the word that ends in each token of the memory, from `words_ending_at` `[t]`.
        document: the reader's encoding of each token of the memory `[t, w]`, float16.
        scale: weight of the document's adapter `[]`.
        memory: keys and values; None if they are computed from `ids` when needed.
    """

    ids: Tensor
    chunk_sizes: Tensor
    words: Tensor
    document: Tensor
    scale: Tensor
    memory: QuantizedMemory | None

    @classmethod
    def concatenated(cls, parts: Sequence[CachedTokens]) -> CachedTokens:
        """Join consecutive chunks of one document; the result has a memory if every chunk has one."""
        memories = [part.memory for part in parts if part.memory is not None]
        return cls(
            ids=torch.cat([part.ids for part in parts]),
            chunk_sizes=torch.cat([part.chunk_sizes for part in parts]),
            words=torch.cat([part.words for part in parts]),
            document=torch.cat([part.document for part in parts]),
            scale=parts[0].scale,
            memory=QuantizedMemory.concatenated(memories) if len(memories) == len(parts) else None,
        )

    def scaled(self, scale: float) -> CachedTokens:
        """Multiply the weight of all tokens by `scale`."""
        return replace(self, scale=self.scale * scale)

    def chunk_ids(self, number: int) -> list[int]:
        """Return the token ids of one chunk as it was encoded."""
        return self.ids.split(self.chunk_sizes.tolist())[number].tolist()

    def text_ids(self, has_start: bool) -> list[int]:
        """Return the token ids of the text; `has_start`: chunks begin with a token that is not part of the text."""
        return [id for chunk in self.ids.split(self.chunk_sizes.tolist()) for id in chunk[int(has_start) :].tolist()]

    def locate(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return the chunk, and the offset in its memory, of the tokens at these indices: `[n]` each."""
        ends = (self.chunk_sizes - 1).cumsum(0)
        chunks = torch.searchsorted(ends, index, right=True)
        starts = ends - (self.chunk_sizes - 1)
        return chunks, index - starts[chunks]

    def per_token(self, values: Tensor) -> Tensor:
        """Assign a value for each token of the memory `[t]` to the token that follows it, which it stands for.

        Returns:
            A value for each of `ids`, 0 for the first token of each chunk `[tokens]`.
        """
        chunks = values.split([size - 1 for size in self.chunk_sizes.tolist()])
        return torch.cat([torch.cat([chunk.new_zeros(1), chunk]) for chunk in chunks])

    def per_memory_token(self, values: Tensor) -> Tensor:
        """Assign a value for each of `ids` `[tokens]` to the token of the memory that stands for it `[t]`."""
        return torch.cat([chunk[1:] for chunk in values.split(self.chunk_sizes.tolist())])

    def followed_by(self, index: int) -> int:
        """Return the index in `ids` of the token that a token of the memory stands for: the one after it."""
        chunks, _ = self.locate(torch.tensor([index]))
        return index + int(chunks) + 1

    def to_tensors(self) -> dict[str, Tensor]:
        """Convert to named tensors for storage."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "memory"}
        if self.memory is not None:
            named |= {field.name: getattr(self.memory, field.name) for field in fields(self.memory)}
        return {PREFIX + name: tensor for name, tensor in named.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], device: torch.device) -> CachedTokens | None:
        """Convert from named tensors; None if there are no tokens among `tensors`."""
        if f"{PREFIX}ids" not in tensors:
            return None
        named = {name.removeprefix(PREFIX): x for name, x in tensors.items() if name.startswith(PREFIX)}
        memory = None
        if "keys" in named:
            memory = QuantizedMemory(*(named.pop(field.name).to(device) for field in fields(QuantizedMemory)))
        named["document"] = named["document"].to(device)
        return cls(**named, memory=memory)


def choose_tokens(
    documents: Sequence[CachedTokens], factors: Sequence[Tensor], num_tokens: int, num_chunks: int
) -> list[Tensor]:
    """Choose the tokens with the largest factors such that few chunks have to be encoded again.

    Args:
        documents: tokens of the documents of one adapter.
        factors: factor of each token of each document `[t]`.
        num_tokens: maximum number of tokens to choose.
        num_chunks: maximum number of chunks of documents without a memory; chunks with larger factors come first.

    Returns:
        Indices of the chosen tokens in each document, in ascending order.
    """
    number = torch.cat([torch.full((len(part),), i) for i, part in enumerate(factors)])
    token = torch.cat([torch.arange(len(part)) for part in factors])
    best = torch.cat([part.cpu() for part in factors]).topk(min(num_tokens, len(token))).indices
    chosen: list[list[int]] = [[] for _ in documents]
    reencoded: set[tuple[int, int]] = set()  # document and chunk
    for document, index in zip(number[best].tolist(), token[best].tolist(), strict=True):
        if documents[document].memory is None:
            chunk = (document, int(documents[document].locate(torch.tensor(index))[0]))
            if chunk not in reencoded and len(reencoded) == num_chunks:
                continue
            reencoded.add(chunk)
        chosen[document].append(index)
    return [torch.tensor(sorted(indices), dtype=torch.int64) for indices in chosen]
