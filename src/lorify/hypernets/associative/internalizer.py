"""Turn documents into an adapter with the associative hypernetwork; documents are added, replaced and removed exactly.

The work is done by other modules: encoding documents (`document_encoder`), word overlap (`relevance`), locating answers
(`located_answers`), focusing (`focus`), writing adapters (`adapter_writer`) and dividing them (`divider`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.adapters.pairs import Key, RebuiltWeights
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.documents import document_from_text
from lorify.contexts.images import Context, as_text
from lorify.hypernets.associative.adapter_writer import AdapterWriter, SolvedOnce, sum_documents
from lorify.hypernets.associative.divider import ClauseDivider
from lorify.hypernets.associative.document_encoder import DocumentEncoder
from lorify.hypernets.associative.document_memory import (
    DocumentMemory,
    kept_by_choice,
    key_digest,
    reduce_tokens,
    stored_statistics,
    stored_words,
    within_limits,
)
from lorify.hypernets.associative.memory import TokenMemory
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, check_base
from lorify.hypernets.associative.outer_products import isotropic_keys
from lorify.hypernets.associative.questions.focus import (
    FOCUS_TOKENS,
    Background,
    BackgroundCache,
    FocusSolver,
    focus_factors,
    prefer_latest,
)
from lorify.hypernets.associative.questions.located_answers import AnswerLocator, LocatedAnswer
from lorify.hypernets.associative.token_cache import DEFAULT_LIMITS, CachedTokens, CacheLimits, choose_tokens
from lorify.hypernets.evidence import PreparedAdapter, TokenEvidence
from lorify.hypernets.internalizer import Keep, RebuildableInternalizer, not_rebuildable, written_by
from lorify.hypernets.relevance import Relevance

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AssociativeInternalizer(RebuildableInternalizer[DocumentMemory]):
    """An associative hypernetwork with the base it was made for.

    Attributes:
        base: the base model.
        config: config of the hypernetwork.
        hypernetwork: its weights, in float32.
        name: its name in the provenance of adapters.
        digest: SHA-256 of its weights file.
        relevance: decides which questions are about an adapter's documents. Without it adapters are on for all
            questions, and are not focused.
        limits: limits on the kept tokens.
        backgrounds: cached quantities that all questions about the same documents share.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    name: str
    digest: str
    relevance: Relevance | None = None
    limits: CacheLimits = DEFAULT_LIMITS
    backgrounds: BackgroundCache = field(default_factory=BackgroundCache, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a base that the hypernetwork was not made for."""
        check_base(self.config, self.base, self.name)

    @property
    def max_focused_tokens(self) -> int:
        """Length of the longest document whose tokens are kept, in tokens."""
        return self.limits.tokens

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """Combine adapters into one that holds all their documents, as if they had been internalized together.

        The memory is solved once over all documents; the scale of an adapter weights the statistics of its documents.
        """
        records: list[DocumentRecord] = []
        documents: list[DocumentMemory] = []
        for adapter, scale in adapters:
            own_records, own = self.documents_of(adapter)
            records += own_records
            documents += [document.scaled(scale) for document in own]
        return self.write_adapter(records, documents)

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Add documents, keeping as much of them as of the existing ones; see `DocumentInternalizer.add`."""
        added = super().add(adapter, documents, report, cancel)
        return self.reduce(added, kept_by_choice(adapter, self.limits))

    def reduce(self, adapter: Adapter, keep: Keep) -> Adapter:
        """Drop tokens of documents; see `DocumentInternalizer.reduce`."""
        return reduce_tokens(adapter, keep)

    def attach_weights(self, adapter: Adapter) -> Adapter:
        """Give an adapter from disk its weights; see `DocumentInternalizer.attach_weights`.

        If another hypernetwork made it, the kept tokens of its documents are re-encoded.
        """
        if self.can_rebuild(adapter) and adapter.provenance.studied_seconds is None:
            return replace(adapter, weights=self._rebuilt(adapter.statistics or ()))
        if not isinstance(adapter.weights, RebuiltWeights) or self.made(adapter):
            return adapter
        adapter.check_base(self.base)  # the token ids are from its tokenizer
        encoded = self._encode_again(adapter)
        if encoded is None:
            raise not_rebuildable(adapter, self.name)
        return encoded

    @torch.no_grad()
    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[PreparedAdapter]:
        """Choose the adapter to answer each question with; see `DocumentInternalizer.prepare`.

        A question is about an adapter's documents if it shares rare words with them, or if the reader locates its
        answer there with high probability (as for `When did it begin?`). The reader runs at most once per question.

        An adapter is not focused if the hypernetwork has no reader, another hypernetwork made the adapter, it keeps no
        tokens of its documents, or the question is empty. If it keeps the tokens of only some documents, it is focused
        if the reader is certain that one of them has the answer. Focused adapters have no statistics.
        """
        pairs = list(zip(adapters, questions, strict=True))
        is_on = [not only_if_relevant or self._overlaps(*pair) for pair in pairs]
        answers = self._find_answers({i: pair for i, pair in enumerate(pairs) if focus or not is_on[i]})
        prepared: list[PreparedAdapter] = []
        for i, adapter in enumerate(adapters):
            answer = answers.get(i)
            evidence = None if answer is None else answer.evidence(adapter.provenance.documents)
            if not is_on[i] and not (answer is not None and answer.is_certain):
                prepared.append(PreparedAdapter(None, evidence))
            elif focus and answer is not None and (answer.knows_all_tokens or answer.is_certain):
                prepared.append(PreparedAdapter(self._focus(adapter, answer), evidence))
            else:
                prepared.append(PreparedAdapter(adapter, evidence))
        return prepared

    @torch.no_grad()
    def locate(self, adapter: Adapter, question: str) -> list[TokenEvidence]:
        """Find where the documents of an adapter answer a question; see `DocumentInternalizer.locate`."""
        answer = self._find_answers({0: (adapter, question)}).get(0)
        return [] if answer is None else answer.evidence(adapter.provenance.documents)

    @property
    def divider(self) -> ClauseDivider | None:
        """Divides its adapters; None without a reader, since they then keep no tokens."""
        if self.hypernetwork.reader is None:
            return None
        return ClauseDivider(
            self.base,
            self.relevance,
            self.limits,
            self._encoder,
            self._solver,
            self._writer,
            self.documents_of,
            partial(written_by, self),
        )

    @property
    def write_outer_products(self) -> Callable[[Adapter], Adapter]:
        """Rewrites its adapters as scaled sums of outer products; see `isotropic_keys`."""
        # With isotropic keys the solve is a division, and the adapter is written as usual.
        return lambda adapter: self.add(isotropic_keys(adapter), [])

    def encode_document(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, DocumentMemory]:
        """Encode a document; see `RebuildableInternalizer.encode_document`."""
        document = as_text(context, f"hypernetwork {self.name}")
        num_tokens, memory = self._encoder.encode(document, report, cancel)
        return DocumentRecord(name=document.name, digest=document.digest, num_tokens=num_tokens), memory

    def within_limits(
        self, records: Sequence[DocumentRecord], memories: Sequence[DocumentMemory]
    ) -> list[DocumentMemory]:
        """Bound the tokens kept of all documents; see `RebuildableInternalizer.within_limits`."""
        return within_limits([record.num_tokens for record in records], memories, self.limits)

    def documents_of(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[DocumentMemory]]:
        """Read what an adapter keeps; see `RebuildableInternalizer.documents_of`."""
        if not self.can_rebuild(adapter):
            raise not_rebuildable(adapter, self.name)
        return list(adapter.provenance.documents), self._load_documents(adapter)

    def write_adapter(self, records: Sequence[DocumentRecord], memories: Sequence[DocumentMemory]) -> Adapter:
        """Write the adapter of documents; see `RebuildableInternalizer.write_adapter`."""
        statistics = tuple(memory.to_stored() for memory in memories)
        return Adapter(self._rebuilt(statistics), self._writer.lora_alpha, written_by(self, records), statistics)

    @cached_property
    def _encoder(self) -> DocumentEncoder:
        return DocumentEncoder(self.base, self.config, self.hypernetwork, self.limits)

    @cached_property
    def _locator(self) -> AnswerLocator | None:
        if self.hypernetwork.reader is None or self.relevance is None:
            return None
        return AnswerLocator(self.base, self.config, self.hypernetwork, self.relevance)

    @cached_property
    def _writer(self) -> AdapterWriter:
        return AdapterWriter(self.config, self.hypernetwork, self.base.dtype)

    @cached_property
    def _solver(self) -> FocusSolver:
        return FocusSolver(self.hypernetwork)

    def _rebuilt(self, statistics: Sequence[DocumentStatistics]) -> RebuiltWeights:
        """Return weights that are solved for on first use; until then only the stored statistics are held in memory."""
        device = self.base.device
        return self._writer.weights_of(
            lambda: self._writer.solve([stored_statistics(stored, device) for stored in statistics])
        )

    def _encode_again(self, adapter: Adapter) -> Adapter | None:
        """Internalize the documents of an adapter again from their kept tokens; None if the tokens are not kept."""
        records = list(adapter.provenance.documents)
        kept = [CachedTokens.from_tensors(stored.tensors, self.base.device) for stored in adapter.statistics or ()]
        memories: list[DocumentMemory] = []
        for record, stored, tokens in zip(records, adapter.statistics or (), kept, strict=True):
            if tokens is None:
                return None
            text = self.base.decode_text(tokens.text_ids(self.base.tokenizer.bos_token_id is not None))
            _, memory = self._encoder.encode(document_from_text(text, record.name), None, None)
            memories.append(replace(memory.scaled(tokens.scale.item()), words=stored.tensors["words"]))
        _log.warning(
            "an adapter made by hypernetwork %s is made again by %s, from the tokens it keeps",
            adapter.provenance.hypernetwork,
            self.name,
        )
        encoded = self.write_adapter(records, self.within_limits(records, memories))
        return self.reduce(encoded, kept_by_choice(adapter, self.limits))

    def _load_documents(self, adapter: Adapter) -> list[DocumentMemory]:
        return [DocumentMemory.from_stored(stored, self.base.device) for stored in adapter.statistics or ()]

    def _overlaps(self, adapter: Adapter, question: str) -> bool:
        """Whether a question shares rare words with the documents; True if unknown."""
        # A refined adapter can no longer be rebuilt, but it still has the words of its documents.
        if self.relevance is None or not self.made(adapter):
            return True
        return self.relevance.is_relevant(question, stored_words(adapter))

    def _find_answers(self, pairs: Mapping[int, tuple[Adapter, str]]) -> dict[int, LocatedAnswer]:
        """Locate the answers to questions in the documents of their adapters, where possible."""
        if self._locator is None:
            return {}
        return self._locator.find(
            {
                i: (question, self._load_documents(adapter))
                for i, (adapter, question) in pairs.items()
                if question and self.made(adapter)
            }
        )

    def _focus(self, adapter: Adapter, answer: LocatedAnswer) -> Adapter:
        """Rebuild an adapter from the tokens that answer a question, on first use of its weights."""
        # A quoted answer needs no weights.
        weights = self._writer.weights_of(SolvedOnce(lambda: self._solve_focused(adapter, answer)))
        if self.can_rebuild(adapter):
            return Adapter(weights, self._writer.lora_alpha, written_by(self, adapter.provenance.documents))
        return self._add_refinement(weights, adapter, answer.documents)

    @torch.no_grad()
    def _solve_focused(self, adapter: Adapter, answer: LocatedAnswer) -> Tensor:
        """Solve for `B [L, 1, r, d]` of the tokens that answer a question."""
        memory, factors = self._choose_tokens(answer)
        background = self._background(adapter, answer.documents)
        # One by one: solving in a batch is no faster on a CPU, and needs memory for all.
        return self._solver.write(background, memory, factors)

    def _choose_tokens(self, answer: LocatedAnswer) -> tuple[TokenMemory, Tensor]:
        """Tokens with the largest factors `[L, 1, t, ...]`, and their factors `[1, t]`."""
        cached = [document.tokens for document in answer.documents if document.tokens is not None]
        factors = focus_factors(prefer_latest(answer.probabilities, answer.overlaps))
        chosen = choose_tokens(cached, factors, FOCUS_TOKENS, self.limits.reencoded_chunks)
        memories = [self._encoder.token_memory(tokens, i) for tokens, i in zip(cached, chosen, strict=True) if len(i)]
        own_factors = torch.cat([part[i] for part, i in zip(factors, chosen, strict=True)])
        return TokenMemory.concatenated(memories, dim=2), own_factors.unsqueeze(0)

    def _background(self, adapter: Adapter, documents: Sequence[DocumentMemory]) -> Background:
        """Return what all questions about the documents with tokens share, cached by the content of their keys."""
        stored = zip(adapter.provenance.documents, adapter.statistics or (), documents, strict=True)
        cached = [(record.num_tokens, one, memory) for record, one, memory in stored if memory.tokens is not None]
        num_tokens = sum(count for count, _, _ in cached)

        def compute() -> Background:
            S = sum_documents([memory.S for _, _, memory in cached])
            return self._solver.background(S, torch.tensor([num_tokens], device=S.device))

        return self.backgrounds.get((num_tokens, *(key_digest(one) for _, one, _ in cached)), compute)

    def _add_refinement(
        self, focused: Mapping[Key, LoraPair], refined: Adapter, documents: Sequence[DocumentMemory]
    ) -> Adapter:
        """Add the change that refinement made to the weights of a focused adapter."""
        unrefined = self._writer.weights_of(lambda: self._writer.solve([each.statistics for each in documents]))
        weights = {
            key: LoraPair(pair.A, pair.B + refined.weights[key].B - unrefined[key].B) for key, pair in focused.items()
        }
        return replace(refined, weights=weights, statistics=None)
