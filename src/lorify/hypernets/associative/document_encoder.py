"""Encode documents: from chunks to statistics and cached tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.cancellation import CancelToken
from lorify.contexts.documents import Document
from lorify.contexts.encoders.features import Features, batched, encode_chunks, group_by_length
from lorify.contexts.tables.json_rows import read_in_words
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.contexts.texts.words import hash_words
from lorify.errors import ContextError
from lorify.hypernets.associative.document_memory import DocumentMemory
from lorify.hypernets.associative.memory import Statistics, TokenMemory
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.questions.word_matches import words_ending_at
from lorify.hypernets.associative.token_cache import CachedTokens, CacheLimits, QuantizedMemory

CHUNKS_AT_ONCE = 8
REMEMBERED_CHUNKS = 32
"""Repetitions of any of this many most recent chunks of a document are not encoded again."""


@dataclass(frozen=True)
class ChunkMemory:
    """The stored memory of one chunk.

    Attributes:
        statistics: with N = 1.
        tokens: its tokens; None without a reader.
    """

    statistics: Statistics
    tokens: CachedTokens | None


@dataclass(frozen=True)
class DocumentEncoder:
    """Encodes documents with the base and the hypernetwork.

    Attributes:
        base: the base.
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        limits: limits on the kept tokens.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    limits: CacheLimits

    @torch.no_grad()
    def encode(
        self, document: Document, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[int, DocumentMemory]:
        """Encode a document, some chunks at a time.

        Args:
            document: the document.
            report: called with the number of tokens read since the last call.
            cancel: checked between groups of chunks.

        Returns:
            Number of tokens, and the document's memory.

        Raises:
            ContextError: if the document has no token.
        """
        total: Statistics | None = None
        tokens: list[CachedTokens] = []
        num_tokens = 0
        known: OrderedDict[tuple[int, ...], ChunkMemory] = OrderedDict()
        stream = split_into_chunks(read_in_words(document.text), self.base.tokenizer, self.config.chunk_tokens)
        for group in batched(stream, CHUNKS_AT_ONCE):
            if cancel is not None:
                cancel.raise_if_cancelled()
            num_tokens += (size := sum(map(len, group)))
            keep_memory = num_tokens <= self.limits.memory_tokens
            for chunk in self._encode_group(group, known, keep_memory=keep_memory):
                # Widened: sums over thousands of chunks are many times larger than the smallest entries that matter.
                statistics = chunk.statistics.widened()
                total = statistics if total is None else total + statistics
                if chunk.tokens is not None and num_tokens <= self.limits.tokens:
                    tokens.append(chunk.tokens)
            if not keep_memory:
                tokens = [replace(part, memory=None) for part in tokens]
            if report is not None:
                report(size)
        if total is None:
            raise ContextError(f"document {document.name} has no text; give one with at least one sentence")
        joined = CachedTokens.concatenated(tokens) if tokens and num_tokens <= self.limits.tokens else None
        return num_tokens, DocumentMemory.of(total, hash_words(document.text), joined)

    def _encode_group(
        self, group: Sequence[Sequence[int]], known: OrderedDict[tuple[int, ...], ChunkMemory], *, keep_memory: bool
    ) -> list[ChunkMemory]:
        """Encode a group of chunks, except those in `known`, and add the new ones to it."""
        keys = [tuple(chunk) for chunk in group]
        new = [key for key in dict.fromkeys(keys) if key not in known]
        fresh = dict(zip(new, self.encode_chunks(new, keep_memory=keep_memory), strict=True)) if new else {}
        encoded = [fresh.get(key) or known[key] for key in keys]
        known.update(fresh)
        while len(known) > REMEMBERED_CHUNKS:
            known.popitem(last=False)
        return encoded

    def encode_chunks(self, chunks: Sequence[Sequence[int]], *, keep_memory: bool = True) -> list[ChunkMemory]:
        """Encode chunks of token ids; chunks in a batch do not affect each other.

        Args:
            chunks: the chunks.
            keep_memory: whether to keep keys and values of their tokens.
        """
        encoded: dict[int, ChunkMemory] = {}
        for group in group_by_length([len(chunk) for chunk in chunks]):
            features, memory = self._compute_memory([chunks[i] for i in group])
            documents = self._encode_for_reader(features)
            statistics = memory.statistics(widest_float(self.base.device))
            for row, i in enumerate(group):
                own = Statistics(statistics.S[:, row : row + 1], statistics.M[:, row : row + 1])
                tokens = (
                    None
                    if documents is None
                    else self._cache(features, memory if keep_memory else None, documents, row)
                )
                encoded[i] = ChunkMemory(own, tokens)
        return [encoded[i] for i in range(len(chunks))]

    @torch.no_grad()
    def token_memory(self, tokens: CachedTokens, index: Tensor) -> TokenMemory:
        """Return the memory of some tokens of a document; if it was not kept, their chunks are re-encoded.

        Args:
            tokens: tokens of the document.
            index: indices of the wanted tokens `[t]`.

        Returns:
            `[L, 1, t, ...]`, with the scale of the document in its weights.
        """
        if tokens.memory is not None:
            memory = tokens.memory.select(index)
        else:
            chunks, offsets = tokens.locate(index)
            numbers, rows = chunks.unique(return_inverse=True)
            start = self.base.tokenizer.bos_token_id is not None
            _, encoded = self._compute_memory([tokens.chunk_ids(number)[start:] for number in numbers.tolist()])
            memory = TokenMemory(
                encoded.keys[:, None, rows, offsets],
                encoded.values[:, None, rows, offsets],
                encoded.weights[:, None, rows, offsets],
            )
        return replace(memory, weights=memory.weights * tokens.scale.to(memory.weights))

    def _compute_memory(self, chunks: Sequence[Sequence[int]]) -> tuple[Features, TokenMemory]:
        features = encode_chunks(self.base, chunks, layers=self.config.layers, module=self.config.module)
        with self._autocast():
            return features, self.hypernetwork(features)

    def _encode_for_reader(self, features: Features) -> Tensor | None:
        """The reader's encoding of chunks `[N, T, w]`; None without a reader."""
        if self.hypernetwork.reader is None:
            return None
        with self._autocast():
            states = features.states[self.config.middle]
            return self.hypernetwork.encode_documents(states, features.outputs, features.is_token)

    def _cache(self, features: Features, memory: TokenMemory | None, documents: Tensor, row: int) -> CachedTokens:
        """The tokens of chunk `row` of a batch."""
        mask, ids = features.mask[row], features.ids[row, features.is_token[row]].cpu()
        return CachedTokens(
            ids=ids.to(torch.int32),
            chunk_sizes=torch.tensor([len(ids)], dtype=torch.int32),
            words=words_ending_at(ids[:-1].tolist(), self.base.tokenizer),
            document=documents[row, mask].half(),
            scale=torch.ones(()),
            memory=None if memory is None else QuantizedMemory.quantize(memory.of_chunk(row, mask)),
        )

    def _autocast(self) -> torch.autocast:
        enabled = self.base.dtype == torch.bfloat16
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=enabled)
