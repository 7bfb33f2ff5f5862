"""The interface of document hypernetworks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Literal, Protocol, Self, TypeVar

from lorify.adapters import Adapter, AdapterStack, DocumentRecord, Provenance
from lorify.adapters.adapter import lorify_version
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.images import Context
from lorify.errors import AdapterError, ContextError, HypernetworkError
from lorify.hypernets.evidence import PreparedAdapter, TokenEvidence
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.parts import AdapterDivider

Memory = TypeVar("Memory")
"""The memory that a hypernetwork keeps of one document."""

Keep = Literal["tokens", "index", "none"]
"""How much an adapter keeps of its documents' tokens, in addition to the statistics for adding and removing documents.

`tokens`: keys and values, so that it is focused on a question immediately. `index`: what is needed to search for an
answer; the chunks found are re-encoded for each question. `none`: nothing; one adapter answers all questions.
"""


class DocumentInternalizer(Protocol):
    """A document hypernetwork with the base it was made for."""

    @property
    def base(self) -> BaseLM:
        """The base model."""
        ...

    @property
    def name(self) -> str:
        """Name of the hypernetwork, as adapters record it in their provenance."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the hypernetwork's weights file."""
        ...

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn; a chat without a system message then gets an empty one."""
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

        Raises:
            ContextError: if there is no document, or one has no token or an unsupported kind.
        """
        ...

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Add documents to an adapter, replacing existing documents of the same name.

        Args:
            adapter: an adapter that this hypernetwork made.
            documents: what to add.
            report: called with the number of tokens read since the last call.
            cancel: checked between chunks.

        Raises:
            AdapterError: if this hypernetwork did not make the adapter.
        """
        ...

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        """Remove documents from an adapter, as if they had never been in it.

        Raises:
            AdapterError: if this hypernetwork did not make the adapter, a name is not in it, or no document would be
                left.
        """
        ...

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """Combine adapters, each with a scale, into one that holds all their documents.

        Raises:
            AdapterError: if one of them was not made by this hypernetwork.
        """
        ...

    def made(self, adapter: Adapter) -> bool:
        """Return whether this hypernetwork made the adapter, refined or not."""
        ...

    def can_rebuild(self, adapter: Adapter) -> bool:
        """Return whether this hypernetwork made the adapter and can change its documents."""
        ...

    def reduce(self, adapter: Adapter, keep: Keep) -> Adapter:
        """Drop token data of an adapter's documents beyond `keep`; its weights stay the same."""
        ...

    def attach_weights(self, adapter: Adapter) -> Adapter:
        """Give an adapter loaded from disk its weights, if they are rebuilt from its statistics.

        Raises:
            AdapterError: if another hypernetwork made it, and this one cannot rebuild it.
        """
        ...

    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[PreparedAdapter]:
        """Choose the adapter to answer each question with.

        Args:
            adapters: the adapter of each question, including any that this hypernetwork did not make.
            questions: the questions.
            only_if_relevant: switch an adapter off for a question that is not about its documents.
            focus: rebuild an adapter from the document tokens that answer the question.

        Returns:
            For each question its adapter: focused, unchanged, or off.
        """
        ...

    @property
    def max_focused_tokens(self) -> int | None:
        """Longest document whose adapter can be focused on a question, in tokens; None without a limit."""
        ...

    @property
    def divider(self) -> AdapterDivider | None:
        """Divides its adapters into parts; None if they cannot be divided."""
        ...

    @property
    def write_outer_products(self) -> Callable[[Adapter], Adapter] | None:
        """Rewrites its adapters without the solve, as an ablation; None if there is no solve."""
        ...

    @property
    def option_names(self) -> frozenset[str]:
        """Names of the `InternalizerOptions` that it supports."""
        ...

    def with_options(self, options: InternalizerOptions) -> DocumentInternalizer:
        """Return the hypernetwork with other options of generation.

        Raises:
            HypernetworkError: if an option is given that it does not support.
        """
        ...

    def locate(self, adapter: Adapter, question: str) -> list[TokenEvidence]:
        """Find where the documents of an adapter answer a question.

        Returns:
            The documents whose tokens are kept; none if the hypernetwork has no reader, or did not make the adapter.
        """
        ...


def combine_documents(internalizer: DocumentInternalizer, adapters: Sequence[tuple[Adapter, float]]) -> AdapterStack:
    """Combine the adapters that a hypernetwork can rebuild into one; the others keep their scales."""
    rebuildable = [part for part in adapters if internalizer.can_rebuild(part[0])]
    if len(rebuildable) < 2:
        return AdapterStack(tuple(adapters))
    others = [part for part in adapters if not any(part is known for known in rebuildable)]
    return AdapterStack(((internalizer.combine(rebuildable), 1.0), *others))


def check_made_for(base: BaseLM, *, base_name: str, base_digest: str, name: str) -> None:
    """Refuse a base that a hypernetwork was not made for.

    Args:
        base: the base.
        base_name: the base that the hypernetwork was made for.
        base_digest: digest of its weights.
        name: name of the hypernetwork.

    Raises:
        HypernetworkError: if the base has other weights.
    """
    if base_digest != base.digest:
        raise HypernetworkError(
            f"hypernetwork {name} was made for {base_name} (weights {base_digest[:8]}...), but the loaded base is "
            f"{base.name} (weights {base.digest[:8]}...); load that base or train a hypernetwork for this one"
        )


class RebuildableInternalizer(ABC, Generic[Memory]):
    """Base class of hypernetworks that keep a memory of each document and write adapters from these memories."""

    name: str
    digest: str

    @property
    def max_focused_tokens(self) -> int | None:
        """None: by default there is no such limit."""
        return None

    @property
    def divider(self) -> AdapterDivider | None:
        """None: by default adapters cannot be divided into parts."""
        return None

    @property
    def write_outer_products(self) -> Callable[[Adapter], Adapter] | None:
        """None: by default there is no solve."""
        return None

    @property
    def option_names(self) -> frozenset[str]:
        """By default there are no options."""
        return frozenset()

    def with_options(self, options: InternalizerOptions) -> Self:
        """Return the hypernetwork itself; by default all options are refused."""
        options.check(self.option_names, self.name)
        return self

    @property
    def system_turn(self) -> bool:
        """Whether chats begin with a system turn; False by default."""
        return False

    def made(self, adapter: Adapter) -> bool:
        """Return whether this hypernetwork made the adapter and it has its statistics."""
        return adapter.statistics is not None and adapter.provenance.hypernetwork_digest == self.digest

    def can_rebuild(self, adapter: Adapter) -> bool:
        """Return whether this hypernetwork made the adapter, and refinement has not changed it since."""
        return self.made(adapter) and adapter.provenance.refined_seconds is None

    def prepare(
        self,
        adapters: Sequence[Adapter],
        questions: Sequence[str],
        *,
        only_if_relevant: bool = True,
        focus: bool = True,
    ) -> list[PreparedAdapter]:
        """Return the adapters unchanged: by default they are on for all questions."""
        del only_if_relevant, focus
        return [PreparedAdapter(adapter) for adapter, _ in zip(adapters, questions, strict=True)]

    def locate(self, adapter: Adapter, question: str) -> list[TokenEvidence]:
        """Return nothing: by default, answers cannot be located."""
        del adapter, question
        return []

    def internalize(
        self,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Turn documents into one adapter; see `DocumentInternalizer.internalize`."""
        if not documents:
            raise ContextError("no document was given; give at least one")
        records: list[DocumentRecord] = []
        memories: list[Memory] = []
        for document in documents:
            record, memory = self.encode_document(document, report, cancel)
            records.append(record)
            memories = self.within_limits(records, [*memories, memory])
        return self.write_adapter(records, memories)

    def add(
        self,
        adapter: Adapter,
        documents: Sequence[Context],
        report: Callable[[int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> Adapter:
        """Add documents to an adapter; see `DocumentInternalizer.add`."""
        records, memories = self.documents_of(adapter)
        for document in documents:
            record, memory = self.encode_document(document, report, cancel)
            at = next((i for i, known in enumerate(records) if known.name == record.name), len(records))
            records[at : at + 1], memories[at : at + 1] = [record], [memory]
            memories = self.within_limits(records, memories)
        return self.writer_of(adapter).write_adapter(records, memories)

    def remove(self, adapter: Adapter, names: Sequence[str]) -> Adapter:
        """Remove documents from an adapter; see `DocumentInternalizer.remove`."""
        records, memories = self.documents_of(adapter)
        kept = _kept_documents(records, names)
        return self.writer_of(adapter).write_adapter([records[i] for i in kept], [memories[i] for i in kept])

    def writer_of(self, adapter: Adapter) -> Self:
        """Return the hypernetwork with the options that an adapter was written with; by default there are none."""
        del adapter
        return self

    def reduce(self, adapter: Adapter, keep: Keep) -> Adapter:
        """Return the adapter unchanged: by default no tokens are kept."""
        del keep
        return adapter

    def attach_weights(self, adapter: Adapter) -> Adapter:
        """Return the adapter unchanged: by default its weights are stored with it."""
        return adapter

    @abstractmethod
    def encode_document(
        self, context: Context, report: Callable[[int], None] | None, cancel: CancelToken | None
    ) -> tuple[DocumentRecord, Memory]:
        """Encode one document or image.

        Args:
            context: the document or image.
            report: called with the number of tokens read since the last call.
            cancel: checked between chunks.

        Raises:
            ContextError: if it has no token or an unsupported kind.
        """

    def within_limits(self, records: Sequence[DocumentRecord], memories: Sequence[Memory]) -> list[Memory]:
        """Bound what an adapter keeps of its documents as their number grows; by default it keeps all."""
        del records
        return list(memories)

    @abstractmethod
    def documents_of(self, adapter: Adapter) -> tuple[list[DocumentRecord], list[Memory]]:
        """Read the records and memories of an adapter's documents.

        Raises:
            AdapterError: if this hypernetwork did not make the adapter.
        """

    @abstractmethod
    def write_adapter(self, records: Sequence[DocumentRecord], memories: Sequence[Memory], /) -> Adapter:
        """Write the adapter of documents from their records and memories."""


def written_by(internalizer: DocumentInternalizer, records: Sequence[DocumentRecord]) -> Provenance:
    """Make the provenance of an adapter that a hypernetwork has just written."""
    return Provenance(
        base_name=internalizer.base.name,
        base_digest=internalizer.base.digest,
        hypernetwork=internalizer.name,
        hypernetwork_digest=internalizer.digest,
        documents=tuple(records),
        lorify_version=lorify_version(),
    )


def check_documents_known(known: Sequence[str], names: Sequence[str]) -> None:
    """Refuse to remove documents that do not exist.

    Args:
        known: names of the documents of an adapter.
        names: names of the documents to remove.

    Raises:
        AdapterError: if one does not exist.
    """
    for name in names:
        if name not in known:
            raise AdapterError(f"the adapter holds no document {name!r}; it holds {', '.join(known)}")


def _kept_documents(records: Sequence[DocumentRecord], names: Sequence[str]) -> list[int]:
    """Indices of the documents that remain when the named ones are removed.

    Raises:
        AdapterError: if a name does not exist, or no document would remain.
    """
    known = [record.name for record in records]
    check_documents_known(known, names)
    kept = [i for i, name in enumerate(known) if name not in names]
    if not kept:
        raise AdapterError("no document would be left in the adapter; delete its folder instead")
    return kept


def not_rebuildable(adapter: Adapter, name: str) -> AdapterError:
    """Make the error for an adapter whose documents the hypernetwork `name` cannot change or divide."""
    provenance = adapter.provenance
    if adapter.statistics is None:
        return AdapterError(
            "the adapter keeps nothing of documents, as it is of a task or was imported; expected one that `lorify "
            "internalize` made"
        )
    if provenance.refined_seconds is not None:
        return AdapterError(
            "the adapter was refined, so its documents can no longer be told apart; internalize them again without "
            "--refine"
        )
    return AdapterError(
        f"the adapter was made by {provenance.hypernetwork}, not by {name} with the weights that are loaded; load that "
        "hypernetwork, or internalize its documents again"
    )
