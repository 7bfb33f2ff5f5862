"""What every document hypernetwork can do, whichever kind it is: the seam between them and the rest of lorify."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from lorify.adapters import Adapter, DocumentRecord, Provenance
from lorify.adapters.adapter import lorify_version
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.images import Context
from lorify.errors import AdapterError, ContextError, HypernetworkError

Part = TypeVar("Part")
"""What a hypernetwork keeps of one document."""


class DocumentInternalizer(Protocol):
    """A document hypernetwork joined with the base it was made for."""

    @property
    def base(self) -> BaseLM:
        """The base model."""
        ...

    @property
    def name(self) -> str:
        """What the provenance of its adapters calls it."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its weights file."""
        ...

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn, an empty one where nothing is said in it."""
        ...

    def internalize(
        self,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Turn documents and images into one adapter.

        Args:
            documents: at least one.
            report: called with the number of tokens read since the last call.
            cancel: checked between chunks.
        """
        ...

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Add documents to an adapter; one with the name of a document already there replaces it."""
        ...

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        """The adapter without the documents of these names."""
        ...

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """One adapter that holds the documents of several, each adapter with its scale."""
        ...

    def can_rebuild(self, adapter: Adapter) -> bool:
        """Whether this hypernetwork made the adapter and can rebuild it."""
        ...

    def is_relevant(self, adapter: Adapter, question: str) -> bool:
        """Whether a question concerns the adapter's documents, so that the adapter should be on for it."""
        ...

    def focused(self, adapters: Sequence[Adapter], questions: Sequence[str]) -> list[Adapter]:
        """Each adapter as it answers its question best, or as it is; only adapters that it made change."""
        ...

    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[Adapter | None]:
        """Choose the adapter to answer each question with.

        Args:
            adapters: the adapter of each question, also those that this hypernetwork did not make.
            questions: the questions.
            only_if_relevant: switch an adapter off for a question that is not about its documents.
            focus: rebuild an adapter from the tokens of its documents that answer the question.

        Returns:
            For each question: None if the adapter is off, a focused adapter, or the adapter itself.
        """
        ...


def check_made_for(base: BaseLM, *, base_name: str, base_digest: str, name: str) -> None:
    """Refuse a base that a hypernetwork was not made for.

    Raises:
        HypernetworkError: if its weights are others.
    """
    if base_digest != base.digest:
        raise HypernetworkError(
            f"hypernetwork {name} was made for {base_name} (weights {base_digest[:8]}...), but the loaded base is "
            f"{base.name} (weights {base.digest[:8]}...); load that base or train a hypernetwork for this one"
        )


class RebuildableInternalizer(ABC, Generic[Part]):
    """What hypernetworks have in common that keep a part of each document and write adapters from the parts."""

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn: not by themselves."""
        return False

    def focused(self, adapters: Sequence[Adapter], questions: Sequence[str]) -> list[Adapter]:
        """The adapters as they are: the same for all questions."""
        del questions
        return list(adapters)

    @abstractmethod
    def is_relevant(self, adapter: Adapter, question: str) -> bool:
        """Whether a question is about the adapter's documents."""

    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[Adapter | None]:
        """Choose the adapter to answer each question with; see `DocumentInternalizer.prepare`."""
        pairs = list(zip(adapters, questions, strict=True))
        on = [i for i, pair in enumerate(pairs) if not only_if_relevant or self.is_relevant(*pair)]
        chosen = [pairs[i][0] for i in on]
        if focus:
            chosen = self.focused(chosen, [pairs[i][1] for i in on])
        prepared: list[Adapter | None] = [None] * len(pairs)
        for i, adapter in zip(on, chosen, strict=True):
            prepared[i] = adapter
        return prepared

    def internalize(
        self,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Turn documents into one adapter.

        Args:
            documents: documents or images, at least one.
            report: called with the number of tokens read since the last call.
            cancel: checked between chunks.

        Raises:
            ContextError: if there is no document, one has no token, or one is of a kind that is not read.
        """
        if not documents:
            raise ContextError("no document was given; give at least one")
        read = [self._read(document, report, cancel) for document in documents]
        return self._write([record for record, _ in read], [part for _, part in read])

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Add documents to an adapter; one with the name of a document already there replaces it.

        Args:
            adapter: an adapter that this hypernetwork made.
            documents: what to add.
            report: called with the number of tokens read since the last call.
            cancel: checked between chunks.

        Raises:
            AdapterError: if this hypernetwork did not make the adapter.
        """
        records, parts = self._parts(adapter)
        for document in documents:
            record, new = self._read(document, report, cancel)
            at = next((i for i, known in enumerate(records) if known.name == record.name), len(records))
            records[at : at + 1], parts[at : at + 1] = [record], [new]
        return self._write(records, parts)

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        """The adapter without the documents of these names.

        Raises:
            AdapterError: if a name is not in the adapter, or no document would be left.
        """
        records, parts = self._parts(adapter)
        kept = _kept_documents(records, names)
        return self._write([records[i] for i in kept], [parts[i] for i in kept])

    @abstractmethod
    def _read(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, Part]:
        """Record and part of one document or image."""

    @abstractmethod
    def _parts(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[Part]]:
        """Records and parts of an adapter; an AdapterError if this hypernetwork did not make it."""

    @abstractmethod
    def _write(self, records: Sequence[DocumentRecord], parts: Sequence[Part]) -> Adapter:
        """The adapter of these documents."""


def written_by(internalizer: DocumentInternalizer, records: Sequence[DocumentRecord]) -> Provenance:
    """Provenance of an adapter that was made now."""
    return Provenance(
        base_name=internalizer.base.name,
        base_digest=internalizer.base.digest,
        hypernetwork=internalizer.name,
        hypernetwork_digest=internalizer.digest,
        documents=tuple(records),
        lorify_version=lorify_version(),
    )


def _kept_documents(records: Sequence[DocumentRecord], names: Sequence[str]) -> list[int]:
    """Indices of the documents that are left when those of some names go.

    Raises:
        AdapterError: if a name is not there, or none would be left.
    """
    known = [record.name for record in records]
    for name in names:
        if name not in known:
            raise AdapterError(f"the adapter holds no document {name!r}; it holds {', '.join(known)}")
    kept = [i for i, name in enumerate(known) if name not in names]
    if not kept:
        raise AdapterError("no document would be left in the adapter; delete its folder instead")
    return kept


def not_rebuildable(adapter: Adapter, name: str) -> AdapterError:
    """The error of an adapter that this hypernetwork did not make."""
    return AdapterError(
        f"the adapter was made by {adapter.provenance.hypernetwork}, not by {name}, or carries no statistics; "
        "internalize its documents again"
    )
