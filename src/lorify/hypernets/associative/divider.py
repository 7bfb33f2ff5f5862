"""Divide an adapter into adapters of lower rank, one per clause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from lorify.adapters import Adapter, DocumentRecord, Provenance
from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.errors import AdapterError
from lorify.hypernets.associative.adapter_writer import AdapterWriter
from lorify.hypernets.associative.division import DividedTokens, PassageTokens
from lorify.hypernets.associative.document_encoder import DocumentEncoder
from lorify.hypernets.associative.document_memory import DocumentMemory
from lorify.hypernets.associative.questions.focus import FocusSolver
from lorify.hypernets.associative.token_cache import CacheLimits
from lorify.hypernets.parts import DocumentPart
from lorify.hypernets.relevance import Relevance

PART_RANK = 16
"""Rank to which the update of a part is reduced, including static rows (docs/research-log.md, 2026-11-30)."""

DocumentReader = Callable[[Adapter], tuple[Sequence[DocumentRecord], Sequence[DocumentMemory]]]
"""Reads the records and memories of an adapter's documents; raises an AdapterError if the adapter has none."""


@dataclass(frozen=True)
class ClauseDivider:
    """Divides the adapters of an associative hypernetwork that has a reader, see `AdapterDivider`.

    Attributes:
        base: the base model.
        relevance: word weights to choose parts by.
        limits: how much is kept of a document's tokens.
        encoder: re-encodes tokens if only their index is kept.
        solver: solves for the tokens of a clause.
        writer: writes adapters.
        read_documents: reads the documents of an adapter.
        write_provenance: document records -> provenance of an adapter that the hypernetwork makes from them.
    """

    base: BaseLM
    relevance: Relevance | None
    limits: CacheLimits
    encoder: DocumentEncoder
    solver: FocusSolver
    writer: AdapterWriter
    read_documents: DocumentReader
    write_provenance: Callable[[Sequence[DocumentRecord]], Provenance]

    @torch.no_grad()
    def divide(self, adapter: Adapter) -> DividedDocuments:
        """Divide an adapter; see `AdapterDivider.divide`."""
        records, memories = self.read_documents(adapter)
        if adapter.provenance.studied_seconds is not None:
            raise AdapterError(
                "an adapter that was studied cannot be divided into parts; internalize its documents without --study"
            )
        documents: list[tuple[DocumentRecord, DividedTokens]] = []
        for record, memory in zip(records, memories, strict=True):
            if memory.tokens is None:
                raise AdapterError(
                    f"the adapter keeps no tokens of {record.name}, so it cannot be divided into parts; internalize it "
                    f"with --keep tokens or index; at most {self.limits.tokens} tokens of a document are kept, and "
                    f"{self.limits.adapter_tokens} of all"
                )
            has_start = self.base.tokenizer.bos_token_id is not None
            read = partial(self.encoder.token_memory, memory.tokens)
            tokens = DividedTokens.of(memory.tokens, has_start=has_start, decode=self.base.decode_text, read=read)
            documents.append((record, tokens))
        divided = DividedDocuments(documents, self._solve)
        if not len(divided):
            raise AdapterError("the adapter's documents are too short to be divided into parts; export it whole")
        return divided

    @torch.no_grad()
    def _solve(self, record: DocumentRecord, passage: PassageTokens) -> Iterator[Adapter]:
        """Solve for the clauses of a passage; its other tokens keep a small weight, as in focus."""
        keys = passage.memory.keys
        S = passage.memory.statistics(widest_float(keys.device)).S
        background = self.solver.background(S, torch.tensor([keys.shape[2]], device=keys.device))
        for _, tokens in passage.clauses:
            memory = passage.memory.of_chunk(0, torch.tensor(tokens, device=keys.device))
            B = self.solver.write(background, memory, torch.ones(1, len(tokens), device=keys.device))
            weights, lora_alpha = self.writer.reduced_weights(B, PART_RANK)
            yield Adapter(weights, lora_alpha, self.write_provenance([record]))


@dataclass(frozen=True)
class DividedDocuments:
    """The documents of an adapter in parts; iterating solves for the parts one by one.

    Attributes:
        documents: the documents.
        solve: adapters of the clauses of a passage of a document, in order.
    """

    documents: Sequence[tuple[DocumentRecord, DividedTokens]]
    solve: Callable[[DocumentRecord, PassageTokens], Iterator[Adapter]]

    def __len__(self) -> int:
        """Number of parts."""
        return sum(len(tokens) for _, tokens in self.documents)

    def __iter__(self) -> Iterator[DocumentPart]:
        """Iterate over the parts."""
        documents = enumerate(self.documents, start=1)
        passages = ((number, record, passage) for number, (record, tokens) in documents for passage in tokens)
        for passage_number, (number, record, passage) in enumerate(passages, start=1):
            for (text, _), adapter in zip(passage.clauses, self.solve(record, passage), strict=True):
                yield DocumentPart(record.name, number, passage_number, text, adapter)
