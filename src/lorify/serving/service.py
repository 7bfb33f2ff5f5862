"""What a server does, without HTTP: adapters made, changed and kept for their owners; prompts turned into jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lorify.adapters import Adapter, AdapterRow, Provenance
from lorify.contexts.documents import Document
from lorify.errors import BusyError, ContextError, RequestError, UnknownModelError
from lorify.facade import Lorify
from lorify.serving.checks import FidelityChecks
from lorify.serving.jobs import Engine
from lorify.serving.keys import ApiKeys
from lorify.serving.parsing import DocumentParser
from lorify.serving.settings import ServingSettings
from lorify.serving.store import AdapterStore, StoredAdapter

LOCAL_OWNER = "local"
"""Whose adapters are on a server without keys."""


@dataclass(frozen=True)
class MadeAdapter:
    """An adapter with how it came to be.

    Attributes:
        stored: what the store says about it.
        seconds: time it took.
        reused: whether it was there already.
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
        self.keys = keys
        self.settings = settings or ServingSettings()
        self.parser = DocumentParser(
            timeout_seconds=self.settings.parse_seconds,
            max_memory_bytes=self.settings.parse_memory_bytes,
            max_bytes=self.settings.max_upload_bytes,
            max_pages=self.settings.max_document_pages,
        )
        self.checks = FidelityChecks(model, engine, store, self.settings.max_internalizing)
        # One at a time: each takes all cores, and the engine goes on answering beside it.
        self._internalizing = ThreadPoolExecutor(1, thread_name_prefix="lorify-internalize")
        self._num_internalizing = 0
        self.num_internalized_tokens = 0

    @property
    def base_id(self) -> str:
        """Model id of the base; of one in a folder only the folder's name, as clients need not know where it is."""
        return Path(self.model.base.name).name if Path(self.model.base.name).is_absolute() else self.model.base.name

    @property
    def can_specialize(self) -> bool:
        """Whether a task in plain words can be turned into an adapter."""
        return getattr(self.model, "task_hypernetwork", None) is not None

    async def internalize(self, documents: Sequence[Document], owner: str) -> MadeAdapter:
        """An adapter of documents, made now or found among the owner's.

        Raises:
            ContextError: if there are too many, two of a name, or one too long.
            BusyError: if too many documents wait to be internalized.
            StoreFullError: if there is no room.
        """
        await asyncio.to_thread(self._check, documents)
        started = time.perf_counter()
        digest = self.model.internalizer.digest
        known = await asyncio.to_thread(self.store.find, digest, documents, owner)
        if known is not None:
            return MadeAdapter(known, time.perf_counter() - started, reused=True)
        adapter = await self._make(lambda: self.model.internalize(*documents))
        self.num_internalized_tokens += sum(record.num_tokens for record in adapter.provenance.documents)
        stored = await asyncio.to_thread(self.store.put, adapter, owner)
        return MadeAdapter(stored, time.perf_counter() - started, reused=False)

    async def specialize(self, task: str, owner: str) -> MadeAdapter:
        """An adapter for a task in plain words.

        Raises:
            RequestError: if no hypernetwork for tasks is loaded.
        """
        if not self.can_specialize:
            raise RequestError(
                f"no hypernetwork for tasks is loaded for {self.base_id}; give documents, or serve a base that has one",
                param="task",
                code="no_task_hypernetwork",
            )
        started = time.perf_counter()
        adapter = await self._make(lambda: self.model.specialize(task))  # pyright: ignore[reportAttributeAccessIssue]
        stored = await asyncio.to_thread(self.store.put, adapter, owner)
        return MadeAdapter(stored, time.perf_counter() - started, reused=False)

    async def change(self, id: str, add: Sequence[Document], remove: Sequence[str], owner: str) -> MadeAdapter:
        """The adapter with documents removed and then added or replaced; it gets another id, and the old one ends."""
        await asyncio.to_thread(self._check, add)
        started = time.perf_counter()
        adapter = await asyncio.to_thread(self.store.get, id, owner)

        def changed() -> Adapter:
            # Adding first, so that all documents of an adapter may be exchanged at once.
            names = {document.name for document in add}
            grown = self.model.add(adapter, *add) if add else adapter
            gone = [name for name in remove if name not in names]
            return self.model.remove(grown, *gone) if gone else grown

        new = await self._make(changed)
        if len(new.provenance.documents) > self.settings.max_documents:
            raise ContextError(f"an adapter holds at most {self.settings.max_documents} documents; remove some")
        stored = await asyncio.to_thread(self.store.replace, id, new, owner)
        self.engine.forget(_digests(adapter.provenance) - _digests(stored.provenance))
        return MadeAdapter(stored, time.perf_counter() - started, reused=False)

    async def delete(self, id: str, owner: str) -> None:
        """Give up an adapter; the engine keeps nothing of its documents either.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        stored = await asyncio.to_thread(self.store.describe, id, owner)
        await asyncio.to_thread(self.store.delete, id, owner)
        self.engine.forget(_digests(stored.provenance))

    async def parse(self, data: bytes, filename: str) -> Document:
        """Read an uploaded file."""
        return await asyncio.to_thread(self.parser.parse, data, filename)

    async def adapter_row(
        self, model_id: str, more: Sequence[tuple[str, float]], question: str, owner: str, *, only_if_relevant: bool
    ) -> AdapterRow:
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
        if model_id != self.base_id:
            id = model_id.removeprefix(f"{self.base_id}:")
            if id == model_id or not any(stored.id == id for stored in await self._list(owner)):
                raise UnknownModelError(f"there is no model {model_id!r}; GET /v1/models lists those you can use")
            wanted.setdefault(id, 1.0)

        def load() -> AdapterRow:
            # Those that are off are loaded all the same: one that is not there is an error even then.
            adapters = [(self.store.get(id, owner), scale) for id, scale in wanted.items()]
            active = [(adapter, scale) for adapter, scale in adapters if scale]
            row = self.model.combine(active) if active else None
            return self.model.for_question(row, question, only_if_relevant=only_if_relevant, focus=False)

        return await asyncio.to_thread(load) if wanted else None

    async def close(self) -> None:
        """End the checks and the engine, then the rest."""
        await self.checks.close()
        await self.engine.drain(self.settings.drain_seconds)
        self._internalizing.shutdown()
        self.parser.close()
        self.store.close()

    async def _list(self, owner: str) -> list[StoredAdapter]:
        return await asyncio.to_thread(self.store.list, owner)

    async def _make(self, make: Callable[[], Adapter]) -> Adapter:
        if self._num_internalizing >= self.settings.max_internalizing:
            raise BusyError(f"{self._num_internalizing} documents wait to be internalized; try again in 5 s", 5)
        self._num_internalizing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._internalizing, make)
        finally:
            self._num_internalizing -= 1

    def _check(self, documents: Sequence[Document]) -> None:
        """Refuse what would take too long before it is begun."""
        names = [document.name for document in documents]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ContextError(f"two documents are called {repeated[0]!r}; give each a name of its own")
        if len(documents) > self.settings.max_documents:
            raise ContextError(
                f"{len(documents)} documents given, an adapter holds at most {self.settings.max_documents}"
            )
        for document in documents:
            num_tokens = len(self.model.base.encode_text(document.text))
            if num_tokens > self.settings.max_document_tokens:
                raise ContextError(
                    f"document {document.name} has {num_tokens:,} tokens, at most "
                    f"{self.settings.max_document_tokens:,} are taken; split it"
                )


def _digests(provenance: Provenance) -> set[str]:
    """SHA-256 of the documents in an adapter."""
    return {record.digest for record in provenance.documents}
