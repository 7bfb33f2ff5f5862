"""What an engine is asked for and what it gives back; every engine speaks this, local or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol

from lorify.answering.plan import AnswerRequest
from lorify.base.sampling import GenerationOptions

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Job:
    """One prompt to continue.

    Attributes:
        request: the prompt and its adapters. The engine chooses and focuses them when the job starts.
        options: length limit and sampling; prompt and answer together fit the base's window.
        stops: the answer ends before the first of these texts.
        top_logprobs: number of most likely tokens to report at each position; None: no log-probabilities at all.
        trim: strip white space at both ends of the answer.
    """

    request: AnswerRequest
    options: GenerationOptions = field(default_factory=GenerationOptions)
    stops: tuple[str, ...] = ()
    top_logprobs: int | None = None
    trim: bool = False

    @property
    def num_prompt_tokens(self) -> int:
        """Length of the prompt, in tokens."""
        return len(self.request.prompt_ids)


@dataclass(frozen=True)
class TokenChoice:
    """A token of an answer, with the natural log of its probability before temperature and nucleus.

    Attributes:
        token: the token's text.
        logprob: its log-probability.
        top: likely tokens at its position with theirs, the likeliest first.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of an answer.

    Attributes:
        text: the text since the last piece, maybe empty.
        num_tokens: tokens generated since the last piece, the one that ends an answer not counted.
        choices: these tokens, if the job asked for logprobs.
        finish_reason: set in the last piece: `stop` at the end of the turn or at a stop text, `length` at the limit.
        adapter_on: whether an adapter is on for this answer.
    """

    text: str
    num_tokens: int
    choices: tuple[TokenChoice, ...] = ()
    finish_reason: FinishReason | None = None
    adapter_on: bool = False


class AnswerStream(Protocol):
    """The pieces of an answer as they arrive; leaving the `async with` block early cancels the rest.

    Iterating raises TooSlowError, ClosingError or EngineError if the answer cannot be completed.
    """

    async def __aenter__(self) -> AsyncIterator[Piece]:
        """The pieces, the last one with its finish reason."""
        ...

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what has not come yet."""
        ...


@dataclass(frozen=True)
class EngineStatus:
    """What an engine is doing.

    Attributes:
        running: answers being generated.
        waiting: jobs in the queue.
        prompt_tokens: tokens of all prompts read so far.
        answer_tokens: tokens generated so far.
    """

    running: int
    waiting: int
    prompt_tokens: int
    answer_tokens: int


class Engine(Protocol):
    """Something that answers jobs."""

    def submit(self, job: Job) -> AnswerStream:
        """Take a job, which starts at once or waits for its turn.

        Raises:
            BusyError: if too many wait already.
            ClosingError: if the engine is about to end.
        """
        ...

    def status(self) -> EngineStatus:
        """What it is doing now."""
        ...

    async def is_healthy(self) -> bool:
        """Whether it can answer now."""
        ...

    def forget(self, documents: Collection[str]) -> None:
        """Keep nothing of deleted documents once no answer needs it; called from an event loop.

        Args:
            documents: SHA-256 of their texts.
        """
        ...

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more jobs, finish those there are, and end; jobs unfinished after the time are cancelled."""
        ...
