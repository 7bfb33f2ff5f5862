"""What a server does, without HTTP: adapters made, changed and kept for their owners; prompts turned into jobs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from lorify.adapters import Adapter, AdapterStack, Provenance
from lorify.cancellation import CancelToken
from lorify.contexts.documents import Document
from lorify.errors import (
    ClosingError,
    ContextError,
    ContextTooLargeError,
    RequestError,
    UnknownAdapterError,
    UnknownModelError,
)
from lorify.facade import Lorify
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.specializer import task_document
from lorify.serving.documents.parsing import MAX_PARALLEL, DocumentParser
from lorify.serving.engines.jobs import Engine
from lorify.serving.fidelity_checks import FidelityChecks
from lorify.serving.settings import ServingSettings
from lorify.serving.storage.index import StoredAdapter
from lorify.serving.storage.keys import ApiKeys
from lorify.serving.storage.store import AdapterStore
from lorify.serving.workers import SingleFlight, Workers

LOCAL_OWNER = "local"
"""Whose adapters are on a server without keys."""


@dataclass(frozen=True)
class CreatedAdapter:
    """An adapter with how it came to be.

    Attributes:
        stored: what the store says about it.
        seconds: time it took.
        reused: whether it was there already, or being made for another request.
    """

    stored: StoredAdapter
    seconds: float
    reused: bool


class Service:
    """A base with its hypernetworks, an engine that answers, and the adapters of all owners."""

    def __init__(
        self,
        model: Lorify,
        engine: Engine,
        store: AdapterStore,
        *,
        engine_name: str = "local",
        keys: ApiKeys | None = None,
        settings: ServingSettings | None = None,
    ) -> None:
        """Put the parts together and start what reads documents."""
        self.model = model
        self.engine = engine
        self.engine_name = engine_name
        self.store = store
        store.show_only(model.base.digest)
        self.keys = keys
        self.settings = settings or ServingSettings()
        self.parser = DocumentParser(
            timeout_seconds=self.settings.parse_seconds,
            max_memory_bytes=self.settings.parse_memory_bytes,
            max_bytes=self.settings.max_upload_bytes,
            max_pages=self.settings.max_document_pages,
        )
        self.checks = FidelityChecks(model, engine, store, self.settings.max_internalizing)
        self._reading = Workers("documents to be parsed", MAX_PARALLEL, self.settings.max_reading)
        # One at a time: each takes all cores, and the engine goes on answering beside it.
        self._internalizing = Workers("documents to be internalized", 1, self.settings.max_internalizing)
        self._making: SingleFlight[tuple[StoredAdapter, bool]] = SingleFlight()
        self._ending = threading.Event()
        self._running: set[CancelToken] = set()  # one for each adapter being made
        self.num_internalized_tokens = 0

    @property
    def base_id(self) -> str:
        """Model id of the base; of one in a folder only the folder's name, as clients need not know where it is."""
        return Path(self.model.base.name).name if Path(self.model.base.name).is_absolute() else self.model.base.name

    @property
    def can_specialize(self) -> bool:
        """Whether a task in plain words can be turned into an adapter."""
        return self.model.task_hypernetwork is not None

    async def read(self, readers: Sequence[Callable[[], Document]]) -> list[Document]:
        """Documents for an adapter, each read in a thread.

        Args:
            readers: each returns one document.

        Raises:
            ContextError: if one cannot be read, two have the same name, or there are too many.
            ContextTooLargeError: if one is too long.
            BusyError: if the documents of too many requests wait to be read.
            ClosingError: if the server is about to end.
        """
        if len(readers) > self.settings.max_documents:
            raise self._too_many(len(readers))
        with self._reading.slot():
            documents = [await self._reading.run(partial(self._read, reader)) for reader in readers]
        names = [document.name for document in documents]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ContextError(f"two documents are called {repeated[0]!r}; give each a name of its own")
        return documents

    async def internalize(self, documents: Sequence[Document], owner: str) -> CreatedAdapter:
        """An adapter of documents, made now or found among the owner's.

        Raises:
            BusyError: if too many documents wait to be internalized.
            ClosingError: if the server is about to end.
            StoreFullError: if there is no room.
        """

        def make(cancel: CancelToken) -> Adapter:
            return self.model.internalizer.internalize(documents, cancel=cancel)

        made = await self._found_or_made(self.model.internalizer.digest, documents, owner, make)
        if not made.reused:
            self.num_internalized_tokens += sum(record.num_tokens for record in made.stored.documents)
        return made

    async def specialize(self, task: str, owner: str) -> CreatedAdapter:
        """An adapter for a task in plain words, made now or found among the owner's.

        Raises:
            RequestError: if no hypernetwork for tasks is loaded.
            ContextError: if the task is empty or too long.
            BusyError, ClosingError, StoreFullError: as `internalize`.
        """
        if not self.can_specialize:
            raise RequestError(
                f"no hypernetwork for tasks is loaded for {self.base_id}; give documents, or serve a base that has one",
                param="task",
                code="no_task_hypernetwork",
            )
        digest = await asyncio.to_thread(lambda: self._task_hypernetwork_digest)
        return await self._found_or_made(
            digest, [task_document(task)], owner, lambda _cancel: self.model.specialize(task)
        )

    async def change(self, id: str, add: Sequence[Document], remove: Sequence[str], owner: str) -> CreatedAdapter:
        """The adapter with documents removed and then added or replaced; it gets another id, and the old one ends.

        Raises:
            UnknownAdapterError: if the owner has no adapter `id`.
            ContextError: if there would be too many documents.
            AdapterError: if one to remove is not there, or none would be left.
            BusyError, ClosingError, StoreFullError: as `internalize`.
        """
        started = time.perf_counter()
        adapter = await asyncio.to_thread(self.store.get, id, owner)
        names = {document.name for document in add}
        gone = [name for name in remove if name not in names]
        kept = {record.name for record in adapter.provenance.documents} - {*names, *gone}
        if len(kept) + len(add) > self.settings.max_documents:
            raise self._too_many(len(kept) + len(add))

        def changed(cancel: CancelToken) -> Adapter:
            # Adding first, so that all documents of an adapter may be exchanged at once.
            grown = self.model.internalizer.add(adapter, add, cancel=cancel) if add else adapter
            return self.model.remove(grown, *gone) if gone else grown

        stored = await asyncio.to_thread(self.store.replace, id, await self._make(changed), owner)
        self.engine.forget(_digests(adapter.provenance) - _digests(stored.provenance))
        return CreatedAdapter(stored, time.perf_counter() - started, reused=False)

    async def delete(self, id: str, owner: str) -> None:
        """Give up an adapter; the engine keeps nothing of its documents either.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        stored = await asyncio.to_thread(self.store.describe, id, owner)
        await asyncio.to_thread(self.store.delete, id, owner)
        self.engine.forget(_digests(stored.provenance))

    def adapter_id(self, model_id: str) -> str | None:
        """Id of the adapter that a model is; None for the base.

        Raises:
            UnknownModelError: if it is neither the base nor `base:adapter`.
        """
        if model_id == self.base_id:
            return None
        base, _, id = model_id.rpartition(":")
        if base != self.base_id:
            raise unknown_model(model_id)
        return id

    async def adapter_row(
        self, model_id: str, more: Sequence[tuple[str, float]], question: str, owner: str, *, only_if_relevant: bool
    ) -> AdapterStack:
        """What a prompt is answered with.

        Args:
            model_id: the base's id, or `base:adapter`.
            more: ids and scales of further adapters.
            question: decides whether the adapters' documents are meant.
            owner: whose adapters may be used.
            only_if_relevant: False: they are on whatever is asked.

        Raises:
            UnknownModelError: if there is no such model.
            UnknownAdapterError: if one of `more` is not the owner's.
        """
        wanted = dict(more)
        named = self.adapter_id(model_id)
        if named is not None:
            wanted.setdefault(named, 1.0)

        def load() -> AdapterStack:
            # Those that are off are loaded all the same: one that is not there is an error even then.
            adapters = [(self._adapter(id, owner, model_id if id == named else None), s) for id, s in wanted.items()]
            active = [(adapter, scale) for adapter, scale in adapters if scale]
            row = self.model.combine(active)
            return self.model.for_question(row, question, only_if_relevant=only_if_relevant, focus=False)

        return await asyncio.to_thread(load) if wanted else AdapterStack()

    async def drain(self, timeout_seconds: float) -> None:
        """Finish what has begun; what is unfinished after the time is told that the server ends."""
        asyncio.get_running_loop().call_later(timeout_seconds, self._end)
        await self.checks.close()
        await self.engine.drain(timeout_seconds)

    async def close(self) -> None:
        """End the checks and the engine, then the rest."""
        await self.drain(self.settings.drain_seconds)
        self._end()
        self._internalizing.close()
        self._reading.close()
        self.parser.close()
        self.store.close()

    @cached_property
    def _task_hypernetwork_digest(self) -> str:
        assert self.model.task_hypernetwork is not None
        return hypernetwork_digest(self.model.task_hypernetwork)

    async def _found_or_made(
        self, digest: str, documents: Sequence[Document], owner: str, make: Callable[[CancelToken], Adapter]
    ) -> CreatedAdapter:
        """An adapter of one hypernetwork; equal ones that an owner asks for at a time are made once."""
        started = time.perf_counter()

        async def found_or_made() -> tuple[StoredAdapter, bool]:
            known = await asyncio.to_thread(self.store.find, digest, documents, owner)
            if known is not None:
                return known, True
            return await asyncio.to_thread(self.store.put, await self._make(make), owner), False

        key = (owner, digest, tuple((document.name, document.digest) for document in documents))
        (stored, found), joined = await self._making.run(key, found_or_made)
        return CreatedAdapter(stored, time.perf_counter() - started, reused=found or joined)

    async def _make(self, make: Callable[[CancelToken], Adapter]) -> Adapter:
        cancel = CancelToken()
        if self._ending.is_set():
            cancel.cancel(_closing_error())

        def work() -> Adapter:
            cancel.raise_if_cancelled()
            return make(cancel)

        with self._internalizing.slot():
            self._running.add(cancel)
            try:
                return await self._internalizing.run(work)
            finally:
                self._running.discard(cancel)
                cancel.cancel()

    def _read(self, reader: Callable[[], Document]) -> Document:
        """Refuse what would take too long before it is begun."""
        self._check_open()
        document = reader()
        num_tokens = len(self.model.base.encode_text(document.text))
        if num_tokens > self.settings.max_document_tokens:
            raise ContextTooLargeError(
                f"document {document.name} has {num_tokens:,} tokens, at most "
                f"{self.settings.max_document_tokens:,} are taken; split it"
            )
        return document

    def _adapter(self, id: str, owner: str, model_id: str | None) -> Adapter:
        """An adapter, which the client named as a model or as an adapter."""
        try:
            return self.store.get(id, owner)
        except UnknownAdapterError as error:
            if model_id is None:
                raise
            raise unknown_model(model_id) from error

    def _too_many(self, number: int) -> ContextError:
        return ContextError(f"{number} documents given, an adapter holds at most {self.settings.max_documents}")

    def _check_open(self) -> None:
        if self._ending.is_set():
            raise _closing_error()

    def _end(self) -> None:
        """Stop reading and internalizing documents."""
        self._ending.set()
        for cancel in self._running:
            cancel.cancel(_closing_error())


def _closing_error() -> ClosingError:
    return ClosingError("the server is shutting down before the documents are internalized; send them again shortly")


def unknown_model(model_id: str) -> UnknownModelError:
    """The error of a model that is not served."""
    return UnknownModelError(f"there is no model {model_id!r}; GET /v1/models lists those you can use")


def _digests(provenance: Provenance) -> set[str]:
    """SHA-256 of the documents in an adapter."""
    return {record.digest for record in provenance.documents}
