"""Fidelity of adapters, measured in the background by asking the engine about the statements of their documents.

The questions are the same as for `lorify internalize --check`. They are asked a few at a time and queue behind the
requests of clients.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from lorify.adapters import Adapter
from lorify.answering.checks.fidelity import ANSWER_OPTIONS, FidelityQuestion, fidelity, fidelity_questions
from lorify.contexts.documents import Document
from lorify.errors import BusyError, LorifyError
from lorify.facade import Lorify
from lorify.serving.engines.answers import whole_answers
from lorify.serving.engines.jobs import Engine, Job
from lorify.serving.limits.sharing import owner_limit
from lorify.serving.storage.store import AdapterStore

MAX_PARALLEL_QUESTIONS = 4
MAX_PARALLEL_CHECKS = 2
"""Adapters of different owners measured at once."""

_log = logging.getLogger(__name__)


class FidelityChecks:
    """Measures one adapter of an owner at a time; used from one event loop."""

    def __init__(
        self, model: Lorify, engine: Engine, store: AdapterStore, max_queued: int, max_share: float = 1.0
    ) -> None:
        """Start idle.

        Args:
            model: the base and its hypernetworks.
            engine: answers the questions.
            store: holds the adapters, and records their fidelity.
            max_queued: limit on adapters being measured or queued; further ones are not measured.
            max_share: share of them that one owner may take, 0 to 1.
        """
        self._model = model
        self._engine = engine
        self._store = store
        self._max_queued = max_queued
        self._max_owner_queued = owner_limit(max_queued, max_share)
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(MAX_PARALLEL_CHECKS)
        self._owner_turns: dict[str, asyncio.Lock] = {}

    def start(self, id: str, owner: str, documents: Sequence[Document]) -> None:
        """Measure the fidelity of an adapter; do nothing if it is being measured already, or too many are queued.

        Args:
            id: the adapter.
            owner: its owner.
            documents: the documents to ask about.
        """
        key = (id, owner)
        num_own = sum(other == owner for _, other in self._tasks)
        if key in self._tasks or len(self._tasks) >= self._max_queued or num_own >= self._max_owner_queued:
            return
        task = self._tasks[key] = asyncio.create_task(self._check(id, owner, tuple(documents)))
        task.add_done_callback(lambda _: self._tasks.pop(key))

    def is_checking(self, id: str, owner: str) -> bool:
        """Return whether an adapter is being measured or queued."""
        return (id, owner) in self._tasks

    async def close(self) -> None:
        """Cancel all measurements."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, id: str, owner: str, documents: Sequence[Document]) -> None:
        async with self._owner_turns.setdefault(owner, asyncio.Lock()), self._turns:
            try:
                adapter = await asyncio.to_thread(self._store.get, id, owner)
                questions = await asyncio.to_thread(fidelity_questions, documents)
                correct: list[bool] = []
                for start in range(0, len(questions), MAX_PARALLEL_QUESTIONS):
                    correct += await self._ask(adapter, questions[start : start + MAX_PARALLEL_QUESTIONS], owner)
                if correct:  # a text without names, numbers or dates has no statements to ask about
                    await asyncio.to_thread(self._store.set_fidelity, id, owner, fidelity(correct))
            except LorifyError as error:
                _log.warning("the fidelity of adapter %s was not measured: %s", id, error)

    async def _ask(self, adapter: Adapter, questions: Sequence[FidelityQuestion], owner: str) -> list[bool]:
        """Ask the questions; return for each whether the adapter answers it correctly."""
        jobs = await asyncio.to_thread(lambda: [self._job(adapter, question, owner) for question in questions])
        while True:
            try:
                answers = await whole_answers([self._engine.submit(job) for job in jobs])
                break
            except BusyError as error:  # requests of clients have priority
                await asyncio.sleep(error.retry_after_seconds)
        return [question.is_answered_by(answer.text) for answer, question in zip(answers, questions, strict=True)]

    def _job(self, adapter: Adapter, question: FidelityQuestion, owner: str) -> Job:
        return Job(self._model.answerer.request(question.query(adapter)), ANSWER_OPTIONS, trim=True, owner=owner)
