"""The interface of engines: jobs in, streams of answer pieces out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol

from lorify.answering.plan import AnswerPlan, AnswerRequest
from lorify.base.decoding.sampling import GenerationOptions

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Job:
    """A prompt to answer.

    Attributes:
        request: the prompt and its adapters. The engine chooses and focuses them when the job starts.
        options: length limit and sampling; prompt and answer together fit the base's window.
        stops: the answer ends before the first of these texts.
        top_logprobs: number of most likely tokens to report at each position; None: no log-probabilities at all.
        trim: strip white space at both ends of the answer.
        owner: whose job it is; engines share their capacity between owners.
        with_plan: return the plan with the last piece, so that the answer can be checked against the documents.
    """

    request: AnswerRequest
    options: GenerationOptions = field(default_factory=GenerationOptions)
    stops: tuple[str, ...] = ()
    top_logprobs: int | None = None
    trim: bool = False
    owner: str = ""
    with_plan: bool = False

    @property
    def num_prompt_tokens(self) -> int:
        """Length of the prompt, in tokens."""
        return len(self.request.prompt_ids)


@dataclass(frozen=True)
class TokenChoice:
    """A token of an answer and its log-probability (natural logarithm, before temperature and nucleus).

    Attributes:
        token: the token's text.
        logprob: its log-probability.
        top: the most likely tokens at its position with their log-probabilities, most likely first.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of an answer.

    Attributes:
        text: the text since the previous piece; can be empty.
        num_tokens: tokens generated since the previous piece, without an end-of-turn token.
        choices: these tokens with log-probabilities, if the job asks for them.
        finish_reason: set in the last piece: `stop` at the end of the turn or at a stop text, `length` at the limit.
        adapter_on: whether an adapter is on for this answer.
        plan: set in the last piece if the job asks for it: what was answered.
    """

    text: str
    num_tokens: int
    choices: tuple[TokenChoice, ...] = ()
    finish_reason: FinishReason | None = None
    adapter_on: bool = False
    plan: AnswerPlan | None = field(default=None, repr=False, compare=False)


def quoted_piece(job: Job, plan: AnswerPlan) -> Piece | None:
    """Return the whole answer of a job that is answered with a quote of the documents.

    Returns:
        The answer; None if the base is needed: there is no quote, the job asks for more than its text, or the answer
        may be only the beginning of the quote.
    """
    is_whole = plan.quoted_ids(job.options) == plan.quote_ids and not job.stops and job.top_logprobs is None
    if plan.quote is None or not (is_whole or plan.is_declined):
        return None
    shown = plan if job.with_plan else None
    return Piece(plan.quote.text, len(plan.quote_ids), finish_reason="stop", adapter_on=plan.is_on, plan=shown)


class AnswerStream(Protocol):
    """The pieces of an answer as they arrive; leaving the `async with` block early cancels the rest.

    Iterating raises TooSlowError, ClosingError or EngineError if the answer cannot be completed.
    """

    async def __aenter__(self) -> AsyncIterator[Piece]:
        """Return the pieces; the last one has a finish reason."""
        ...

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what has not arrived yet."""
        ...


@dataclass(frozen=True)
class EngineStatus:
    """The load of an engine.

    Attributes:
        running: answers being generated.
        waiting: queued jobs.
        prompt_tokens: prompt tokens processed since the start.
        answer_tokens: tokens generated since the start.
    """

    running: int
    waiting: int
    prompt_tokens: int
    answer_tokens: int


class Engine(Protocol):
    """Generates the answers of jobs, in this process or on a vLLM server."""

    def submit(self, job: Job) -> AnswerStream:
        """Accept a job, which starts at once or is queued.

        Raises:
            BusyError: if too many jobs are queued or running.
            ClosingError: if the engine is shutting down.
        """
        ...

    def status(self) -> EngineStatus:
        """Return the numbers of running and waiting answers, and of tokens processed since the start."""
        ...

    async def is_healthy(self) -> bool:
        """Return whether the engine can answer: its thread is alive, or its server responds."""
        ...

    def forget(self, documents: Collection[str]) -> None:
        """Discard everything derived from deleted documents once no answer needs it; called from an event loop.

        Args:
            documents: SHA-256 of each document's text.
        """
        ...

    async def drain(self, timeout_seconds: float) -> None:
        """Accept no more jobs, finish the queued and running ones, and release the engine.

        Args:
            timeout_seconds: jobs that are not finished after this time are cancelled.
        """
        ...
