"""Creating, changing and deleting the adapters of owners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lorify.adapters import Adapter, Provenance
from lorify.answering.checks.task_check import TaskCheck, check_task
from lorify.cancellation import CancelToken
from lorify.contexts.documents import Document
from lorify.contexts.token_estimates import estimate_tokens
from lorify.errors import HypernetworkError, RequestError
from lorify.facade import Lorify
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.internalizer import check_documents_known
from lorify.hypernets.options import NO_OPTIONS, InternalizerOptions, recorded_bias_scale
from lorify.serving.adapters.tasks import TaskOrder, check_training_seconds
from lorify.serving.documents.reader import check_document_count
from lorify.serving.engines.jobs import Engine
from lorify.serving.limits.running_work import RunningWork
from lorify.serving.limits.workers import SingleFlight, Workers
from lorify.serving.progress import Progress
from lorify.serving.settings import ServingSettings
from lorify.serving.storage.index import StoredAdapter
from lorify.serving.storage.store import AdapterStore

MAX_PARALLEL = 2
"""Adapters of different owners generated at once; each takes some hundred megabytes meanwhile."""

Generate = Callable[[CancelToken, Progress], Adapter]
"""Generates an adapter; runs in a thread, checks the token between steps and reports its progress."""
Follow = Callable[[Progress], None]
"""Called with the progress of an adapter that is generated."""


@dataclass(frozen=True)
class CreatedAdapter:
    """An adapter and how it was created.

    Attributes:
        stored: its entry in the store.
        seconds: time from the request to its entry in the store.
        reused: whether it existed already, or another request was creating it.
        task_check: how well it does on the examples of its task; None if it was not checked.
        warnings: what may keep it from doing its task.
    """

    stored: StoredAdapter
    seconds: float
    reused: bool
    task_check: TaskCheck | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """What an adapter is made with beside its documents.

    Attributes:
        hypernetwork_digest: SHA-256 of the hypernetwork.
        bias_scale: scale of the bias adapter, as adapters record it.
        study: seconds of study; None for none.
    """

    hypernetwork_digest: str
    bias_scale: float | None = None
    study: float | None = None


class AdapterCreator:
    """Turns documents and tasks into stored adapters; used from one event loop."""

    def __init__(
        self, model: Lorify, engine: Engine, store: AdapterStore, settings: ServingSettings, max_share: float = 1.0
    ) -> None:
        """Start idle.

        Args:
            model: the base and its hypernetworks.
            engine: notified of documents to forget.
            store: where adapters are kept.
            settings: limits.
            max_share: share of the queue that one owner may take, 0 to 1.
        """
        self._model = model
        self._engine = engine
        self._store = store
        self._max_documents = settings.max_documents
        self._max_study_seconds = settings.max_refine_seconds
        # One at a time for each owner, as each uses all cores; another owner need not wait for a long document.
        self._workers = Workers(
            "documents to be internalized",
            MAX_PARALLEL,
            settings.max_internalizing,
            max_share,
            max_owner_threads=1,
            answers_first=True,
        )
        self._flights: SingleFlight[tuple[StoredAdapter, bool]] = SingleFlight()
        self._running = RunningWork()
        self.num_internalized_tokens = 0

    async def internalize(
        self,
        documents: Sequence[Document],
        owner: str,
        follow: Follow | None = None,
        *,
        options: InternalizerOptions = NO_OPTIONS,
        study: float | None = None,
    ) -> CreatedAdapter:
        """Create an adapter of documents, or find it among the owner's; one that studies is always created.

        Args:
            documents: the documents.
            owner: whose adapter it becomes.
            follow: called with its progress.
            options: options of the hypernetwork.
            study: seconds of study, see `Lorify.study`; None for none.

        Raises:
            RequestError: if the hypernetwork does not have a given option, or the study is longer than the server
                allows.
            AdapterError, ContextError: if there is nothing to study.
            BusyError: if too many requests wait for an adapter to be generated.
            ClosingError: if the server is shutting down.
            StorageLimitError: if the owner may not store more.
            StoreFullError: if the store has no room.
        """

        try:
            internalizer = self._model.internalizer.with_options(options)
        except HypernetworkError as error:
            raise RequestError(str(error), param=next(iter(options.chosen), None)) from error
        if study is not None:
            check_training_seconds(study, "study", self._max_study_seconds)

        def generate(cancel: CancelToken, progress: Progress) -> Adapter:
            progress.begin(estimate_tokens(self._model.base, documents))
            adapter = internalizer.internalize(documents, progress.advance, cancel)
            if study is None:
                return adapter
            progress.phase = "studying"
            return self._model.study(adapter, *documents, seconds=study, cancel=cancel)

        source = _Source(internalizer.digest, recorded_bias_scale(options.bias_scale), study)
        created = await self._find_or_create(source, documents, owner, generate, follow)
        if not created.reused:
            self.num_internalized_tokens += sum(record.num_tokens for record in created.stored.documents)
        return created

    async def specialize(self, order: TaskOrder, owner: str, follow: Follow | None = None) -> CreatedAdapter:
        """Create an adapter for a task, or find it among the owner's.

        Args:
            order: the task, with examples to train on and to check with if there are any.
            owner: whose adapter it becomes.
            follow: called with its progress.

        Raises:
            RequestError: if no task hypernetwork is loaded.
            ContextError: if the task is empty or too long, or an example is.
            BusyError, ClosingError, StorageLimitError, StoreFullError: as `internalize`.
        """
        if self._model.task_hypernetwork is None:
            raise RequestError(
                "no task hypernetwork is loaded for this base; give documents, or serve a base that has one",
                param="task",
                code="no_task_hypernetwork",
            )
        digest = await asyncio.to_thread(lambda: self._task_hypernetwork_digest)

        def generate(cancel: CancelToken, progress: Progress) -> Adapter:
            progress.begin(0)
            return order.generate(self._model, cancel)

        created = await self._find_or_create(_Source(digest), [order.document], owner, generate, follow)
        checked = await self._check_task(created.stored.id, order, owner) if order.checked else None
        warnings = order.warnings
        if (follows := created.stored.provenance.follows) is not None:
            estimate = await asyncio.to_thread(lambda: self._model.description_model)
            doubt = None if estimate is None else estimate.note(follows, "give examples, or another wording")
            warnings = (*warnings, *([doubt] if doubt else ()))
        return replace(created, task_check=checked, warnings=warnings)

    async def change(
        self, id: str, add: Sequence[Document], remove: Sequence[str], owner: str, follow: Follow | None = None
    ) -> CreatedAdapter:
        """Replace an adapter by one with documents added, replaced or removed; the new one has its own id.

        Args:
            id: the adapter to replace.
            add: documents to add; one with the name of a document already there replaces it.
            remove: names of documents to remove.
            owner: the adapter's owner.
            follow: called with its progress.

        Raises:
            UnknownAdapterError: if the owner has no adapter `id`.
            ContextError: if the adapter would hold too many documents.
            AdapterError: if a document to remove is not there, or none would be left.
            BusyError, ClosingError, StorageLimitError, StoreFullError: as `internalize`.
        """
        started = time.perf_counter()
        adapter = await asyncio.to_thread(self._store.get, id, owner)
        added_names = {document.name for document in add}
        removed = [name for name in remove if name not in added_names]
        names = [record.name for record in adapter.provenance.documents]
        check_documents_known(names, removed)
        kept_names = set(names) - {*added_names, *removed}
        check_document_count(len(kept_names) + len(add), self._max_documents)

        def generate(cancel: CancelToken, progress: Progress) -> Adapter:
            progress.begin(estimate_tokens(self._model.base, add))
            # Documents are added before others are removed, so that all of an adapter's documents can be exchanged.
            grown = self._model.internalizer.add(adapter, add, progress.advance, cancel) if add else adapter
            return self._model.remove(grown, *removed) if removed else grown

        progress = Progress()
        if follow is not None:
            follow(progress)
        changed = await self._generate(generate, owner, progress)
        progress.phase = "saving"
        stored = await asyncio.to_thread(self._store.replace, id, changed, owner)
        self._engine.forget(_digests(adapter.provenance) - _digests(stored.provenance))
        return CreatedAdapter(stored, time.perf_counter() - started, reused=False)

    async def delete(self, id: str, owner: str) -> None:
        """Delete an adapter, and make the engine forget its documents.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        stored = await asyncio.to_thread(self._store.describe, id, owner)
        await asyncio.to_thread(self._store.delete, id, owner)
        self._engine.forget(_digests(stored.provenance))

    def stop(self, message: str) -> None:
        """Cancel running and queued requests, and refuse later ones, with a ClosingError of this message."""
        self._running.stop(message)

    def close(self) -> None:
        """End the thread."""
        self._workers.close()

    @cached_property
    def _task_hypernetwork_digest(self) -> str:
        assert self._model.task_hypernetwork is not None
        return hypernetwork_digest(self._model.task_hypernetwork)

    async def _check_task(self, id: str, order: TaskOrder, owner: str) -> TaskCheck:
        """Check the adapter of a task with the examples of its order, in the worker thread."""
        adapter = await asyncio.to_thread(self._store.get, id, owner)
        pairs = [(example.input, example.output) for example in order.checked]
        with self._workers.slot(owner):
            return await self._workers.run(
                lambda: check_task(self._model.answerer, adapter, order.task.strip(), pairs), owner
            )

    async def _find_or_create(
        self, source: _Source, documents: Sequence[Document], owner: str, generate: Generate, follow: Follow | None
    ) -> CreatedAdapter:
        """Find an adapter in the store or create it; simultaneous equal requests of an owner create it once."""
        started = time.perf_counter()

        async def find_or_create(progress: Progress) -> tuple[StoredAdapter, bool]:
            if source.study is None:
                wanted = source.hypernetwork_digest, documents, owner, source.bias_scale
                known = await asyncio.to_thread(self._store.find, *wanted)
                if known is not None:
                    return known, True
            await asyncio.to_thread(self._store.check_room, owner)
            adapter = await self._generate(generate, owner, progress)
            progress.phase = "saving"
            return await asyncio.to_thread(self._store.put, adapter, owner), False

        named = tuple((document.name, document.digest) for document in documents)
        key = (owner, source, named)
        (stored, found), joined = await self._flights.run(key, find_or_create, follow)
        return CreatedAdapter(stored, time.perf_counter() - started, reused=found or joined)

    async def _generate(self, generate: Generate, owner: str, progress: Progress) -> Adapter:
        """Generate an adapter in the worker thread; cancelling this call cancels the work."""
        with self._workers.slot(owner), self._running.token() as cancel:

            def work() -> Adapter:
                cancel.raise_if_cancelled()
                return generate(cancel, progress)

            return await self._workers.run(work, owner)


def _digests(provenance: Provenance) -> set[str]:
    """SHA-256 of each document of an adapter."""
    return {record.digest for record in provenance.documents}
