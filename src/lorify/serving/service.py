"""The server without HTTP: model names, adapters for prompts, and an orderly shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from lorify.adapters import AdapterStack
from lorify.errors import UnknownAdapterError, UnknownModelError
from lorify.facade import Lorify
from lorify.serving.adapters.creation import AdapterCreator
from lorify.serving.adapters.jobs import AdapterJobs
from lorify.serving.adapters.loans import AdapterLoans
from lorify.serving.documents.reader import DocumentReader
from lorify.serving.engines.jobs import Engine
from lorify.serving.fidelity_checks import FidelityChecks
from lorify.serving.limits.running_work import RunningWork
from lorify.serving.limits.workers import Workers
from lorify.serving.settings import ServingSettings
from lorify.serving.storage.keys import ApiKeys
from lorify.serving.storage.store import AdapterStore

MAX_PARALLEL_PROMPTS = 2
MAX_EXPORTS = 16
"""Exports being written or sent; each is a file until then."""

LOCAL_OWNER = "local"
"""Owner of all adapters on a server without API keys."""


class Service:
    """A base with its hypernetworks, an engine, and the adapters of all owners."""

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
        """Join the parts.

        Args:
            model: the base and its hypernetworks.
            engine: generates answers.
            store: where adapters are kept; those of other bases are hidden.
            engine_name: reported by `/health`.
            keys: accepted API keys; None accepts every request, as owner `LOCAL_OWNER`.
            settings: limits; the defaults if None.
        """
        self.model = model
        self.engine = engine
        self.engine_name = engine_name
        self.store = store
        store.show_only(model.base.digest)
        store.attach_weights = model.attach_weights
        self.keys = keys
        self.settings = settings or ServingSettings()
        if has_several(keys):
            store.max_owner_bytes = self.settings.max_key_disk_bytes
        share = self.key_share
        self.documents = DocumentReader(model.base, self.settings, share)
        self.creator = AdapterCreator(model, engine, store, self.settings, share)
        self.jobs = AdapterJobs(self.settings.max_jobs, self.settings.keep_job_seconds, share)
        self.prompts = Workers("prompts to be tokenized", MAX_PARALLEL_PROMPTS, self.settings.max_preparing, share)
        self.rankings = Workers("choices to be ranked", 1, self.settings.max_preparing, share)
        self.answer_checks = Workers("answers to be checked", 1, self.settings.max_preparing, share, answers_first=True)
        self.exports = Workers("adapters to be exported", 1, MAX_EXPORTS, share, answers_first=True)
        self.running_exports = RunningWork()
        self._loans = AdapterLoans(self.settings.max_used_adapter_bytes, share)
        self.checks = FidelityChecks(model, engine, store, self.settings.max_internalizing, share)

    @property
    def base_id(self) -> str:
        """Model id of the base; for a local folder only its name, since clients should not learn its path."""
        return Path(self.model.base.name).name if Path(self.model.base.name).is_absolute() else self.model.base.name

    @property
    def key_share(self) -> float:
        """Share of the server that one owner may take, 0 to 1."""
        return key_share(self.keys, self.settings)

    @property
    def can_specialize(self) -> bool:
        """Whether a task hypernetwork is loaded."""
        return self.model.task_hypernetwork is not None

    def has_option(self, name: str) -> bool:
        """Return whether the document hypernetwork has one of the `InternalizerOptions`."""
        internalizer = self.model.answerer.internalizer
        return internalizer is not None and name in internalizer.option_names

    def adapter_id(self, model_id: str) -> str | None:
        """Return the adapter id in a model id; None for the base.

        Raises:
            UnknownModelError: if it is neither the base nor `base:adapter`.
        """
        if model_id == self.base_id:
            return None
        base, _, id = model_id.rpartition(":")
        if base != self.base_id:
            raise unknown_model(model_id, self.base_id)
        return id

    async def adapter_stack(self, model_id: str, more: Sequence[tuple[str, float]], owner: str) -> AdapterStack:
        """Load and combine the adapters that a request names.

        Args:
            model_id: the base's id, or `base:adapter`.
            more: ids and scales of further adapters.
            owner: whose adapters may be used.

        Raises:
            UnknownModelError: if there is no such model.
            UnknownAdapterError: if one of `more` is not the owner's.
            RequestError: if the adapters are too large to be used together.
            BusyError: if the adapters that are in use take too much memory.
        """
        wanted = dict(more)
        named = self.adapter_id(model_id)
        if named is not None:
            wanted.setdefault(named, 1.0)

        def load() -> AdapterStack:
            sizes = {id: self._size(id, owner, model_id if id == named else None) for id in wanted}
            self._loans.check(sizes)
            # Adapters with a scale of 0 are loaded too, because an unknown one is an error even then.
            adapters = [(self.store.get(id, owner), scale) for id, scale in wanted.items()]
            stack = self.model.combine(adapters)
            self._loans.lend(stack, sizes, owner)
            return stack

        if not wanted:
            return AdapterStack()
        with self.prompts.slot(owner):
            return await self.prompts.run(load, owner)

    async def drain(self, timeout_seconds: float) -> None:
        """Finish running requests; those unfinished after `timeout_seconds` end with a ClosingError."""
        asyncio.get_running_loop().call_later(timeout_seconds, self._stop)
        await self.checks.close()
        await asyncio.gather(self.jobs.drain(timeout_seconds), self.engine.drain(timeout_seconds))

    async def close(self) -> None:
        """Drain for at most `drain_seconds` of the settings, then end all threads and processes and close the store."""
        await self.drain(self.settings.drain_seconds)
        self._stop()
        self.creator.close()
        self.documents.close()
        for workers in (self.prompts, self.rankings, self.answer_checks, self.exports):
            workers.close()
        self.store.close()

    def _stop(self) -> None:
        message = "the server is shutting down before the documents are internalized; send them again in a moment"
        self.documents.stop(message)
        self.creator.stop(message)
        self.running_exports.stop("the server is shutting down before the adapter is exported; ask again in a moment")

    def _size(self, id: str, owner: str, model_id: str | None) -> int:
        """Return the size of an adapter in bytes; the error names the model if the client named one."""
        try:
            return self.store.describe(id, owner).num_bytes
        except UnknownAdapterError as error:
            if model_id is None:
                raise
            raise unknown_model(model_id, self.base_id) from error


def key_share(keys: ApiKeys | None, settings: ServingSettings) -> float:
    """Return the share of the server that one owner may take: all of it unless there are several keys."""
    return settings.max_key_share if has_several(keys) else 1.0


def has_several(keys: ApiKeys | None) -> bool:
    """Return whether several owners share the server."""
    return keys is not None and len(keys) > 1


def unknown_model(model_id: str, base_id: str) -> UnknownModelError:
    """Build the error for a model that is not served; `base_id` is one that is."""
    return UnknownModelError(
        f"there is no model {model_id!r}; the base is {base_id!r}, and GET /v1/models lists your adapters"
    )
