"""Jobs of the local engine: queued, then running as a row of the batch, and the stream of their answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from torch import Tensor

from lorify.answering.plan import AnswerPlan
from lorify.answering.text import AnswerText
from lorify.base.decoding.generation import start_sampler
from lorify.base.model import BaseLM
from lorify.errors import EngineError, LorifyError
from lorify.serving.engines.jobs import FinishReason, Job, Piece, TokenChoice


@dataclass(eq=False)
class QueuedJob:
    """A job with its deadline, and the event loop that waits for its answer.

    Attributes:
        job: the job.
        deadline: time by which the answer must be complete, as `time.monotonic()`.
        loop: the event loop of the answer's reader.
        pieces: the answer so far; an error ends it.
        cancelled: whether nobody reads the answer any more.
    """

    job: Job
    deadline: float
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Piece | LorifyError] = field(default_factory=asyncio.Queue)
    cancelled: bool = False

    @property
    def max_tokens(self) -> int:
        """Length of its prompt and its longest answer together, in tokens."""
        return self.job.num_prompt_tokens + self.job.options.max_new_tokens

    def send(self, piece: Piece | LorifyError) -> None:
        """Send a piece or an error to the reader; called from the engine's thread."""
        try:
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)
        except RuntimeError:  # the loop is closed
            self.cancelled = True


class RunningJob:
    """A job whose answer is being generated: one row of the decoding batch."""

    def __init__(self, queued: QueuedJob, base: BaseLM, plan: AnswerPlan) -> None:
        """Start with no token.

        Args:
            queued: the job.
            base: decodes the tokens.
            plan: the prompt that is answered, and the adapters that are on.
        """
        self.queued = queued
        self.sampler = start_sampler(base, plan.narrowed(queued.job.options), plan.quote_ids)
        self.last_token = 0
        self.finished = False
        self._text = AnswerText(base.decode_text, queued.job.stops, trim=queued.job.trim)
        self._num_tokens = 0
        self._adapter_on = plan.is_on
        self._plan = plan if queued.job.with_plan else None

    @property
    def length(self) -> int:
        """Tokens of its prompt and of its answer so far."""
        return self.queued.job.num_prompt_tokens + self._num_tokens

    def add_token(self, token: int, choice: TokenChoice | None, stop_ids: set[int]) -> None:
        """Extend the answer by a token and send the text that is complete.

        Args:
            token: id of the token.
            choice: its log-probabilities, if the job asks for them.
            stop_ids: tokens that end an answer.
        """
        ends = token in stop_ids
        if not ends:
            self._text.add(token)
            self.last_token = token
            self._num_tokens += 1
        reason: FinishReason | None = None
        if ends or self._text.stopped:
            reason = "stop"
        elif self._num_tokens >= self.queued.job.options.max_new_tokens:
            reason = "length"
        self.finished = reason is not None
        choices = () if choice is None or ends else (choice,)
        text = self._text.take(last=self.finished)
        plan = self._plan if self.finished else None
        self.queued.send(Piece(text, int(not ends), choices, reason, self._adapter_on, plan))


class LocalAnswerStream:
    """The answer to one job; closing or dropping it cancels the job."""

    def __init__(self, queued: QueuedJob) -> None:
        """Read the answer of a queued job."""
        self._queued = queued

    async def __aenter__(self) -> AsyncIterator[Piece]:
        """Return the pieces as they arrive."""
        return self._pieces()

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what has not arrived yet."""
        self._queued.cancelled = True

    def __del__(self) -> None:
        """Cancel the job if nobody began to read its answer."""
        self._queued.cancelled = True

    async def _pieces(self) -> AsyncIterator[Piece]:
        while True:
            piece = await self._queued.pieces.get()
            if isinstance(piece, LorifyError):
                raise piece
            yield piece
            if piece.finish_reason is not None:
                return


def token_choices(
    jobs: Sequence[Job], logits: Tensor, tokens: Sequence[int], decode: Callable[[list[int]], str]
) -> list[TokenChoice | None]:
    """Compute the log-probabilities that jobs ask for.

    Args:
        jobs: N jobs.
        logits: `[N, V]`, before temperature and nucleus.
        tokens: the N chosen tokens.
        decode: token ids -> text.

    Returns:
        For each job its token with log-probabilities; None if it does not ask for them.
    """
    choices: list[TokenChoice | None] = [None] * len(jobs)
    wanted = [(row, job.top_logprobs) for row, job in enumerate(jobs) if job.top_logprobs is not None]
    if not wanted:
        return choices
    logprobs = logits[[row for row, _ in wanted]].float().log_softmax(-1)
    top = logprobs.topk(max(count for _, count in wanted), dim=-1)
    for i, (row, count) in enumerate(wanted):
        likely = zip(top.indices[i, :count].tolist(), top.values[i, :count].tolist(), strict=True)
        choices[row] = TokenChoice(
            decode([tokens[row]]),
            logprobs[i, tokens[row]].item(),
            tuple((decode([token]), logprob) for token, logprob in likely),
        )
    return choices


def client_error(error: Exception) -> LorifyError:
    """Return the error that a client sees; the details of internal errors stay in the log."""
    return error if isinstance(error, LorifyError) else EngineError(f"the engine failed ({type(error).__name__})")
