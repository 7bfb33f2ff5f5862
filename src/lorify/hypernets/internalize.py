"""Documents -> adapter with the associative hypernetwork; documents are added, replaced and removed exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import utc_now
from lorify.base.model import BaseModel
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.documents import Document
from lorify.contexts.features import batched, encode_chunks
from lorify.errors import AdapterError, ContextError, HypernetworkError
from lorify.hypernets.associative import AssociativeConfig, AssociativeHypernetwork, Statistics, lora_batch
from lorify.hypernets.relevance import Relevance, hash_words

CHUNKS_AT_ONCE = 8
REMEMBERED_CHUNKS = 32


@dataclass(frozen=True)
class Internalizer:
    """A hypernetwork with the base it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernet: its weights, in float32.
        name: what the provenance calls it.
        digest: SHA-256 of its weights file.
        relevance: decides which questions concern an adapter's documents; without one, all do.
    """

    base: BaseModel
    config: AssociativeConfig
    hypernet: AssociativeHypernetwork
    name: str
    digest: str
    relevance: Relevance | None = None

    def __post_init__(self) -> None:
        """Refuse a base that the hypernetwork was not made for."""
        if self.config.base_digest != self.base.digest:
            raise HypernetworkError(
                f"hypernetwork {self.name} was made for {self.config.base_name} "
                f"(weights {self.config.base_digest[:8]}...), but the loaded base is {self.base.name} "
                f"(weights {self.base.digest[:8]}...); load that base or train a hypernetwork for this one"
            )

    def internalize(self, documents: Sequence[Document], report: Callable[[int], None] | None = None) -> Adapter:
        """Turn documents into one adapter.

        Args:
            documents: at least one; their statistics are added.
            report: called with the number of tokens read since the last call.

        Raises:
            ContextError: if there is no document, or one has no token.
        """
        if not documents:
            raise ContextError("no document was given; give at least one")
        read = [self._read(document, report) for document in documents]
        return self._write([record for record, _ in read], [part for _, part in read])

    def add(self, adapter: Adapter, documents: Sequence[Document]) -> Adapter:
        """The adapter with more documents; one whose name is there already is replaced."""
        records, parts = self._parts(adapter)
        for document in documents:
            record, new = self._read(document, None)
            at = next((i for i, known in enumerate(records) if known.name == record.name), None)
            if at is None:
                records.append(record)
                parts.append(new)
            else:
                records[at], parts[at] = record, new
        return self._write(records, parts)

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        """The adapter without the documents of these names.

        Raises:
            AdapterError: if a name is not in the adapter, or no document would be left.
        """
        records, parts = self._parts(adapter)
        known = [record.name for record in records]
        for name in names:
            if name not in known:
                raise AdapterError(f"the adapter holds no document {name!r}; it holds {', '.join(known)}")
        kept = [i for i, name in enumerate(known) if name not in names]
        if not kept:
            raise AdapterError("no document would be left in the adapter; delete its folder instead")
        return self._write([records[i] for i in kept], [parts[i] for i in kept])

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

    def made(self, adapter: Adapter) -> bool:
        """Whether this hypernetwork made the adapter and can rebuild it."""
        return (
            adapter.statistics is not None
            and adapter.provenance.refined_seconds is None
            and adapter.provenance.hypernetwork_digest == self.digest
        )

    def concerns(self, adapter: Adapter, question: str) -> bool:
        """Whether a question concerns the adapter's documents, so that the adapter should be on for it."""
        # A refined adapter can no longer be rebuilt, but it still carries its documents' words.
        is_ours = adapter.provenance.hypernetwork_digest == self.digest
        if self.relevance is None or adapter.statistics is None or not is_ours:
            return True
        return self.relevance.concerns(question, torch.cat([s["words"] for s in adapter.statistics]))

    def _parts(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[_DocumentPart]]:
        if adapter.statistics is None or not self.made(adapter):
            raise AdapterError(
                f"the adapter was made by {adapter.provenance.hypernetwork}, not by {self.name}, or carries no "
                "statistics; internalize its documents again"
            )
        device = self.base.device
        parts = [_DocumentPart.from_flat(tensors, device) for tensors in adapter.statistics]
        return list(adapter.provenance.documents), parts

    @torch.no_grad()
    def _read(self, document: Document, report: Callable[[int], None] | None) -> tuple[DocumentRecord, _DocumentPart]:
        """What is kept of one document, its chunks streamed; a chunk that comes again is not encoded again."""
        total: Statistics | None = None
        num_tokens = 0
        remembered: OrderedDict[tuple[int, ...], Statistics] = OrderedDict()
        stream = split_into_chunks(document.text, self.base.tokenizer, self.config.chunk_tokens)
        for group in batched(stream, CHUNKS_AT_ONCE):
            keys = [tuple(chunk) for chunk in group]
            new = [key for key in dict.fromkeys(keys) if key not in remembered]
            fresh = dict(zip(new, self._encode(new), strict=True)) if new else {}
            for key in keys:
                part = fresh.get(key) or remembered[key]
                # In float64: thousands of chunks add up to many times the smallest entries that matter.
                part = Statistics(part.S.double(), part.M.double())
                total = part if total is None else total + part
            remembered.update(fresh)
            while len(remembered) > REMEMBERED_CHUNKS:
                remembered.popitem(last=False)
            size = sum(map(len, group))
            num_tokens += size
            if report is not None:
                report(size)
        if total is None:
            raise ContextError(f"document {document.name} has no text; give one with at least one sentence")
        record = DocumentRecord(name=document.name, digest=document.digest, num_tokens=num_tokens)
        return record, _DocumentPart(total, hash_words(document.text))

    def _encode(self, chunks: Sequence[Sequence[int]]) -> list[Statistics]:
        """Statistics of each chunk; chunks of a batch do not influence each other."""
        features = encode_chunks(self.base, chunks, layers=self.config.layers, module=self.config.module)
        with torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.base.dtype == torch.bfloat16):
            statistics = self.hypernet(features).statistics()
        return [Statistics(statistics.S[:, i : i + 1], statistics.M[:, i : i + 1]) for i in range(len(chunks))]

    @torch.no_grad()
    def _write(self, records: Sequence[DocumentRecord], parts: Sequence[_DocumentPart]) -> Adapter:
        # Summed in float64 and in the documents' order, so that a document's coming and going leaves no trace.
        S = torch.stack([part.statistics.S.double() for part in parts]).sum(0)
        M = torch.stack([part.statistics.M.double() for part in parts]).sum(0)
        A, B = self.hypernet.write(Statistics(S, M))  # [L, r, f], [L, 1, r, o]
        lora_alpha = A.shape[1]
        # An adapter has one alpha and each pair its own rank: what the scaling would add to a pair is taken out of it.
        weights = {
            key: LoraPair(tensors.A, (tensors.B[0].T * (len(tensors.A) / lora_alpha)).contiguous())
            for key, tensors in lora_batch(self.config, self.hypernet, A, B).items()
        }
        return Adapter(
            weights=weights,
            lora_alpha=float(lora_alpha),
            provenance=Provenance(
                base_name=self.base.name,
                base_digest=self.base.digest,
                hypernetwork=self.name,
                hypernetwork_digest=self.digest,
                documents=tuple(records),
                created=utc_now(),
                lorify_version=version("lorify"),
            ),
            statistics=tuple(part.flat() for part in parts),
        )


@dataclass(frozen=True)
class _DocumentPart:
    """What an adapter keeps of one document: its statistics, and hashes of its words `[words]`."""

    statistics: Statistics
    words: Tensor

    def scaled(self, scale: float) -> _DocumentPart:
        return _DocumentPart(Statistics(self.statistics.S * scale, self.statistics.M * scale), self.words)

    def flat(self) -> dict[str, Tensor]:
        return {"S": self.statistics.S.float(), "M": self.statistics.M.float(), "words": self.words}

    @classmethod
    def from_flat(cls, tensors: Mapping[str, Tensor], device: torch.device) -> _DocumentPart:
        return cls(Statistics(tensors["S"].to(device), tensors["M"].to(device)), tensors["words"])
