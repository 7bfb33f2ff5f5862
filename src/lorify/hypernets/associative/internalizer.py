"""Documents -> adapter with the associative hypernetwork; documents are added, replaced and removed exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.features import Features, batched, encode_chunks, of_like_length
from lorify.contexts.images import Context, as_text
from lorify.errors import BaseModelError, ContextError, HypernetworkError
from lorify.hypernets.associative.focus import (
    FOCUS_TOKENS,
    Asked,
    answer_shares,
    ending_words,
    focus_factors,
    rest_weight,
)
from lorify.hypernets.associative.network import (
    AssociativeConfig,
    AssociativeHypernetwork,
    Statistics,
    TokenMemory,
    lora_batch,
)
from lorify.hypernets.associative.relevance import Relevance, hash_words
from lorify.hypernets.associative.token_cache import KeptMemory, KeptTokens, choose_tokens
from lorify.hypernets.internalizer import RebuildableInternalizer, check_made_for, not_rebuildable, written_by

CHUNKS_AT_ONCE = 8
REMEMBERED_CHUNKS = 32
KEPT_MEMORY = 4096
"""Tokens; of a longer document the keys and values are not kept, and are computed again where an answer is found."""
KEPT_TOKENS = 131_072
"""Of a longer document only the statistics are kept, whatever its length, and all questions meet the same adapter."""
REMEMBERED_ADAPTERS = 64
"""Of so many is kept what all questions about their documents have in common: 2.6 MB each for the default base."""
ENCODED_AGAIN = 2
"""Chunks at most, for one question."""
SURE_OF_PLACE = 0.6
"""Probability that a token belongs to a question's answer, above which its document is meant though no word says so."""


@dataclass(frozen=True)
class AssociativeInternalizer(RebuildableInternalizer["_DocumentPart"]):
    """A hypernetwork with the base it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernetwork: its weights, in float32.
        name: what the provenance calls it.
        digest: SHA-256 of its weights file.
        relevance: decides which questions concern an adapter's documents, and which part of them; without one, all
            questions do, and all parts.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    name: str
    digest: str
    relevance: Relevance | None = None

    def __post_init__(self) -> None:
        """Refuse a base that the hypernetwork was not made for."""
        check_base(self.config, self.base, self.name)

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """One adapter that holds the documents of several, as if they had been internalized together.

        The memory is solved for once over all documents; a scale weighs the statistics of that adapter's documents.
        """
        records, parts = [], []
        for adapter, scale in adapters:
            more_records, more = self._parts(adapter)
            records += more_records
            parts += [part.scaled(scale) for part in more]
        return self._write(records, parts)

    def can_rebuild(self, adapter: Adapter) -> bool:
        """Whether this hypernetwork made the adapter and can rebuild it."""
        return self._is_ours(adapter) and adapter.provenance.refined_seconds is None

    def is_relevant(self, adapter: Adapter, question: str) -> bool:
        """Whether a question concerns the adapter's documents, so that the adapter should be on for it.

        It does if it shares rare words with them, or if the reader is sure enough of its answer's place there all the
        same, as it is with `When did it begin?`.
        """
        # A refined adapter can no longer be rebuilt, but it still carries its documents' words.
        if self.relevance is None or adapter.statistics is None or not self._is_ours(adapter):
            return True
        if self.relevance.is_relevant(question, torch.cat([s["words"] for s in adapter.statistics])):
            return True
        parts = self._readable(adapter, question)
        return bool(parts) and self._finds_answer(parts, question)

    @torch.no_grad()
    def focused(self, adapters: Sequence[Adapter], questions: Sequence[str]) -> list[Adapter]:
        """Each adapter from the tokens that answer its question; see `lorify.hypernets.associative.focus`.

        Returns:
            Adapters for these questions alone, without statistics; an adapter itself if the hypernetwork has no
            reader, another one made the adapter, the tokens of none of its documents are at hand, or nothing is asked.
        """
        found = list(adapters)
        kept = [self._readable(adapter, question) for adapter, question in zip(adapters, questions, strict=True)]
        chosen = [i for i, parts in enumerate(kept) if parts]
        if not chosen:
            return found
        loudest = self._loudest([kept[i] for i in chosen], [questions[i] for i in chosen])
        # Each of its own: a batch of solves is no faster on a CPU, and takes the memory of all.
        for i, (memory, factors) in zip(chosen, loudest, strict=True):
            long = [part.statistics.M for part in kept[i] if part.tokens is None]
            num_tokens = sum(record.num_tokens for record in adapters[i].provenance.documents)
            inverse, least = self._rest_inverse(num_tokens, *(part.statistics.S for part in kept[i]))
            B = self.hypernetwork.write_focused(inverse, memory, factors, least, _summed(long) if long else None)
            focused = self._adapter(adapters[i].provenance.documents, B, None)
            found[i] = (
                focused if self.can_rebuild(adapters[i]) else self._with_refinement(focused, adapters[i], kept[i])
            )
        return found

    @cached_property
    @torch.no_grad()
    def _A(self) -> Tensor:
        return self.hypernetwork.shared_A().to(self.base.dtype)  # as the base multiplies with it, in half the space

    @cached_property
    def _rest_inverse(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """Of the tokens that a focused adapter leaves out; see `AssociativeHypernetwork.rest_inverse`.

        Takes the number of tokens of some documents, and `S` of each; remembered as long as these are.
        """

        def solve(num_tokens: int, *S: Tensor) -> tuple[Tensor, Tensor]:
            least = rest_weight(torch.tensor([num_tokens], device=S[0].device))
            return self.hypernetwork.rest_inverse(_summed(S), least), least

        # Tensors are the same only if they are one: adapters in memory, which are not changed.
        return lru_cache(maxsize=REMEMBERED_ADAPTERS)(solve)

    def _readable(self, adapter: Adapter, question: str) -> list[_DocumentPart]:
        """What is kept of an adapter's documents, if the reader can look there for the answer; else nothing."""
        if not question or self.hypernetwork.reader is None or self.relevance is None or not self._is_ours(adapter):
            return []
        _, parts = self._kept(adapter)
        return parts if any(part.tokens is not None for part in parts) else []

    def _asked(self, questions: Sequence[str]) -> list[Tensor]:
        """What the reader is asked by each question `[J, w]`; of a long question its end."""
        ids = [self.base.encode_text(question)[-self.config.chunk_tokens :] for question in questions]
        middle = self.config.layers[self.config.middle]
        features = encode_chunks(self.base, ids, layers=(middle,))
        with self._autocast():
            read = self.hypernetwork.read_questions(features.states[0], features.outputs, features.is_token).float()
        return [row[known] for row, known in zip(read, features.is_token, strict=True)]

    @torch.no_grad()
    def _finds_answer(self, parts: Sequence[_DocumentPart], question: str) -> bool:
        assert self.hypernetwork.reader is not None
        with self._autocast():
            (shares,) = answer_shares(self.hypernetwork.reader, self._questions([parts], [question]))
        return max(share.max().item() for share in shares) > SURE_OF_PLACE

    def _questions(self, adapters: Sequence[Sequence[_DocumentPart]], questions: Sequence[str]) -> list[Asked]:
        """What the reader is given."""
        assert self.relevance is not None
        return [
            Asked(
                vector,
                self.relevance.rarities(question),
                [(part.tokens.document, part.tokens.words) for part in parts if part.tokens is not None],
            )
            for parts, question, vector in zip(adapters, questions, self._asked(questions), strict=True)
        ]

    def _loudest(
        self, adapters: Sequence[Sequence[_DocumentPart]], questions: Sequence[str]
    ) -> list[tuple[TokenMemory, Tensor]]:
        """Of each adapter the `FOCUS_TOKENS` tokens that count most, `[L, 1, t, ...]`, and their factors `[1, t]`."""
        assert self.hypernetwork.reader is not None
        with self._autocast():
            factors = focus_factors(self.hypernetwork.reader, self._questions(adapters, questions))
        kept = [[part.tokens for part in parts if part.tokens is not None] for parts in adapters]
        return [self._chosen(documents, found) for documents, found in zip(kept, factors, strict=True)]

    def _chosen(self, documents: Sequence[KeptTokens], factors: Sequence[Tensor]) -> tuple[TokenMemory, Tensor]:
        chosen = choose_tokens(documents, factors, FOCUS_TOKENS, ENCODED_AGAIN)
        memories = [self._memory(tokens, index) for tokens, index in zip(documents, chosen, strict=True) if len(index)]
        names = TokenMemory.__dataclass_fields__
        memory = TokenMemory(*(torch.cat([getattr(part, name) for part in memories], dim=2) for name in names))
        return memory, torch.cat([found[index] for found, index in zip(factors, chosen, strict=True)]).unsqueeze(0)

    def _memory(self, tokens: KeptTokens, index: Tensor) -> TokenMemory:
        """The memory of some tokens of a document, by their index `[t]`: `[L, 1, t, ...]`."""
        if tokens.memory is not None:
            memory = tokens.memory.chosen(index)
        else:
            chunks, places = tokens.chunk_of(index)
            numbers, rows = chunks.unique(return_inverse=True)
            start = self.base.tokenizer.bos_token_id is not None
            _, encoded = self._memory_of([tokens.chunk(number)[start:] for number in numbers.tolist()])
            memory = TokenMemory(
                encoded.keys[:, None, rows, places],
                encoded.values[:, None, rows, places],
                encoded.weights[:, None, rows, places],
            )
        return replace(memory, weights=memory.weights * tokens.scale.to(memory.weights))

    def _memory_of(self, chunks: Sequence[Sequence[int]]) -> tuple[Features, TokenMemory]:
        features = encode_chunks(self.base, chunks, layers=self.config.layers, module=self.config.module)
        with self._autocast():
            return features, self.hypernetwork(features)

    def _with_refinement(self, focused: Adapter, refined: Adapter, parts: Sequence[_DocumentPart]) -> Adapter:
        """A focused adapter with what refining changed added."""
        whole = self._adapter(refined.provenance.documents, self._solved(parts), None)
        weights = {
            key: LoraPair(pair.A, pair.B + refined.weights[key].B - whole.weights[key].B)
            for key, pair in focused.weights.items()
        }
        return replace(refined, weights=weights, statistics=None)

    def _parts(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[_DocumentPart]]:
        if not self.can_rebuild(adapter):
            raise not_rebuildable(adapter, self.name)
        return self._kept(adapter)

    def _kept(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[_DocumentPart]]:
        device = self.base.device
        parts = [_DocumentPart.from_flat(tensors, device) for tensors in adapter.statistics or ()]
        return list(adapter.provenance.documents), parts

    def _is_ours(self, adapter: Adapter) -> bool:
        """Whether this hypernetwork wrote the adapter, and what it kept of the documents is there."""
        return adapter.statistics is not None and adapter.provenance.hypernetwork_digest == self.digest

    @torch.no_grad()
    def _read(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, _DocumentPart]:
        """What is kept of one document, its chunks streamed; a chunk that comes again is not encoded again."""
        document = as_text(context, f"hypernetwork {self.name}")
        total: Statistics | None = None
        tokens: list[KeptTokens] = []
        num_tokens = 0
        remembered: OrderedDict[tuple[int, ...], _ChunkPart] = OrderedDict()
        stream = split_into_chunks(document.text, self.base.tokenizer, self.config.chunk_tokens)
        for group in batched(stream, CHUNKS_AT_ONCE):
            if cancel is not None:
                cancel.raise_if_cancelled()
            keys = [tuple(chunk) for chunk in group]
            new = [key for key in dict.fromkeys(keys) if key not in remembered]
            fresh = dict(zip(new, self._encode(new), strict=True)) if new else {}
            num_tokens += (size := sum(map(len, group)))
            for key in keys:
                part = fresh.get(key) or remembered[key]
                # In float64: thousands of chunks add up to many times the smallest entries that matter.
                statistics = Statistics(part.statistics.S.double(), part.statistics.M.double())
                total = statistics if total is None else total + statistics
                if part.tokens is not None and num_tokens <= KEPT_TOKENS:
                    tokens.append(part.tokens)
            if num_tokens > KEPT_MEMORY:
                tokens = [replace(part, memory=None) for part in tokens]
            remembered.update(fresh)
            while len(remembered) > REMEMBERED_CHUNKS:
                remembered.popitem(last=False)
            if report is not None:
                report(size)
        if total is None:
            raise ContextError(f"document {document.name} has no text; give one with at least one sentence")
        record = DocumentRecord(name=document.name, digest=document.digest, num_tokens=num_tokens)
        joined = KeptTokens.joined(tokens) if tokens and num_tokens <= KEPT_TOKENS else None
        return record, _DocumentPart(total, hash_words(document.text), joined)

    def _encode(self, chunks: Sequence[Sequence[int]]) -> list[_ChunkPart]:
        """What is kept of each chunk; chunks of a batch do not influence each other."""
        found: dict[int, _ChunkPart] = {}
        for group in of_like_length([len(chunk) for chunk in chunks]):
            batch = [chunks[i] for i in group]
            features, memory = self._memory_of(batch)
            with self._autocast():
                documents = None
                if self.hypernetwork.reader is not None:
                    middle = features.states[self.config.middle]
                    documents = self.hypernetwork.read_documents(middle, features.outputs, features.is_token)
            statistics = memory.statistics(torch.float64)
            for row, i in enumerate(group):
                tokens = None
                if documents is not None:
                    known, ids = features.mask[row], features.ids[row, features.is_token[row]].cpu()
                    tokens = KeptTokens(
                        ids=ids.to(torch.int32),
                        chunk_sizes=torch.tensor([len(ids)], dtype=torch.int32),
                        words=ending_words(ids[:-1].tolist(), self.base.tokenizer),
                        document=documents[row, known].half(),
                        scale=torch.ones(()),
                        memory=KeptMemory.of(memory, row, known),
                    )
                found[i] = _ChunkPart(
                    Statistics(statistics.S[:, row : row + 1], statistics.M[:, row : row + 1]), tokens
                )
        return [found[i] for i in range(len(chunks))]

    def _autocast(self) -> torch.autocast:
        enabled = self.base.dtype == torch.bfloat16
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=enabled)

    @torch.no_grad()
    def _write(self, records: Sequence[DocumentRecord], parts: Sequence[_DocumentPart]) -> Adapter:
        return self._adapter(records, self._solved(parts), tuple(part.flat() for part in parts))

    def _solved(self, parts: Sequence[_DocumentPart]) -> Tensor:
        """Of the adapter that is the same for all questions: `B [L, 1, r, o]`."""
        S, M = (_summed([getattr(part.statistics, name) for part in parts]) for name in ("S", "M"))
        return self.hypernetwork.write(Statistics(S, M))

    def _adapter(
        self, records: Sequence[DocumentRecord], B: Tensor, kept: tuple[dict[str, Tensor], ...] | None
    ) -> Adapter:
        lora_alpha = B.shape[2]
        # An adapter has one alpha and each pair its own rank: what the scaling would add to a pair is taken out of it.
        weights = {
            key: LoraPair(tensors.A, _scaled(tensors.B[0].T, len(tensors.A) / lora_alpha))
            for key, tensors in lora_batch(self.config, self.hypernetwork, self._A, B).items()
        }
        provenance = written_by(self, records)
        return Adapter(weights=weights, lora_alpha=float(lora_alpha), provenance=provenance, statistics=kept)


def _scaled(B: Tensor, scale: float) -> Tensor:
    return B if scale == 1.0 else B * scale  # a copy takes as long as half of the solution


def _summed(parts: Sequence[Tensor]) -> Tensor:
    """The sum over documents, in float64 and in their order, so that one that comes and goes leaves no trace."""
    return torch.stack([part.double() for part in parts]).sum(0)


def check_base(config: AssociativeConfig, base: BaseLM, name: str) -> None:
    """Refuse a base that a hypernetwork was not made for.

    Args:
        config: the hypernetwork's.
        base: the base.
        name: what to call the hypernetwork.

    Raises:
        HypernetworkError: if the base has other weights, or has not the linear layers that the config names.
    """
    check_made_for(base, base_name=config.base_name, base_digest=config.base_digest, name=name)
    shapes = {(layer, config.module): (config.input_size, config.hidden_size) for layer in config.layers}
    for module in config.reading_modules:
        shapes |= {(layer, module.name): (module.input_size, module.output_size) for layer in config.reading_layers}
    for (layer, module), (d_in, d_out) in shapes.items():
        try:
            linear = base.linear(layer, module)
        except BaseModelError as error:
            raise HypernetworkError(f"hypernetwork {name} is damaged: {error}; fetch or train it again") from error
        if (linear.in_features, linear.out_features) != (d_in, d_out):
            raise HypernetworkError(
                f"hypernetwork {name} is damaged: it maps {d_in} to {d_out} features at {module} of block {layer}, "
                f"the base {linear.in_features} to {linear.out_features}; fetch or train it again"
            )


@dataclass(frozen=True)
class _ChunkPart:
    """What is kept of one chunk; tokens only where there is a reader to choose among them."""

    statistics: Statistics
    tokens: KeptTokens | None


@dataclass(frozen=True)
class _DocumentPart:
    """What is kept of a document: statistics, hashes of its words `[words]`, and its tokens if not too many."""

    statistics: Statistics
    words: Tensor
    tokens: KeptTokens | None

    def scaled(self, scale: float) -> _DocumentPart:
        tokens = self.tokens.scaled(scale) if self.tokens is not None else None
        return _DocumentPart(Statistics(self.statistics.S * scale, self.statistics.M * scale), self.words, tokens)

    def flat(self) -> dict[str, Tensor]:
        tokens = self.tokens.flat() if self.tokens is not None else {}
        return {"S": self.statistics.S.float(), "M": self.statistics.M.float(), "words": self.words, **tokens}

    @classmethod
    def from_flat(cls, tensors: Mapping[str, Tensor], device: torch.device) -> _DocumentPart:
        statistics = Statistics(tensors["S"].to(device), tensors["M"].to(device))
        return cls(statistics, tensors["words"], KeptTokens.from_flat(tensors, device))
