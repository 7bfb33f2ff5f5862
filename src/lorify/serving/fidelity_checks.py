"""How well adapters hold their documents, measured in the background by asking the engine what the documents state.

The questions are made by rule from the documents' own sentences, as for `lorify internalize --check`. They are asked a
few at a time, beside what clients ask, and wait where clients wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from lorify.adapters import Adapter
from lorify.answering.fidelity import ANSWER_OPTIONS, FidelityQuestion, fidelity, fidelity_questions
from lorify.contexts.documents import Document
from lorify.errors import BusyError, LorifyError
from lorify.facade import Lorify
from lorify.serving.engines.answers import whole_answers
from lorify.serving.engines.jobs import Engine, Job
from lorify.serving.storage.store import AdapterStore

QUESTIONS_AT_A_TIME = 4

_log = logging.getLogger(__name__)


class FidelityChecks:
    """Measures one adapter after the other; used from one event loop."""

    def __init__(self, model: Lorify, engine: Engine, store: AdapterStore, max_waiting: int) -> None:
        """Start with nothing to do.

        Args:
            model: the base and its hypernetworks.
            engine: what is asked.
            store: where adapters are, and where their fidelity is kept.
            max_waiting: adapters that may be checked or wait for it; further ones stay unmeasured.
        """
        self._model = model
        self._engine = engine
        self._store = store
        self._max_waiting = max_waiting
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def start(self, id: str, owner: str, documents: Sequence[Document]) -> None:
        """Measure how well an adapter holds its documents.

        Nothing happens if it is being measured already, or if too many wait: `is_checking` tells.
        """
        key = (id, owner)
        if key in self._tasks or len(self._tasks) >= self._max_waiting:
            return
        task = self._tasks[key] = asyncio.create_task(self._check(id, owner, tuple(documents)))
        task.add_done_callback(lambda _: self._tasks.pop(key))

    def is_checking(self, id: str, owner: str) -> bool:
        """Whether an adapter is being measured or waits for it."""
        return (id, owner) in self._tasks

    async def close(self) -> None:
        """Leave the rest unmeasured."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, id: str, owner: str, documents: Sequence[Document]) -> None:
        async with self._turn:
            try:
                adapter = await asyncio.to_thread(self._store.get, id, owner)
                questions = await asyncio.to_thread(fidelity_questions, documents)
                held: list[bool] = []
                for start in range(0, len(questions), QUESTIONS_AT_A_TIME):
                    held += await self._ask(adapter, questions[start : start + QUESTIONS_AT_A_TIME])
                if held:  # a text without names, numbers or dates has no statements to ask about
                    await asyncio.to_thread(self._store.set_fidelity, id, owner, fidelity(held))
            except LorifyError as error:
                _log.warning("adapter %s is not checked: %s", id, error)

    async def _ask(self, adapter: Adapter, questions: Sequence[FidelityQuestion]) -> list[bool]:
        """Whether the adapter answers each question correctly."""
        jobs = await asyncio.to_thread(lambda: [self._job(adapter, question) for question in questions])
        while True:
            try:
                answers = await whole_answers([self._engine.submit(job) for job in jobs])
                break
            except BusyError as error:  # clients go first
                await asyncio.sleep(error.retry_after_seconds)
        return [question.is_answered_by(answer.text) for answer, question in zip(answers, questions, strict=True)]

    def _job(self, adapter: Adapter, question: FidelityQuestion) -> Job:
        return Job(self._model.answerer.request(question.query(adapter)), ANSWER_OPTIONS, trim=True)
