"""The answers of one request: complete ones, or their pieces as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from lorify.answering.plan import AnswerPlan
from lorify.errors import RequestError
from lorify.serving.engines.jobs import AnswerStream, Engine, FinishReason, Job, Piece, TokenChoice

T = TypeVar("T")


@dataclass(frozen=True)
class WholeAnswer:
    """A complete answer."""

    text: str
    num_tokens: int
    choices: tuple[TokenChoice, ...]
    finish_reason: FinishReason
    adapter_on: bool = False
    plan: AnswerPlan | None = None


def submit_all(engine: Engine, jobs: Sequence[Job]) -> list[AnswerStream]:
    """Submit all jobs of a request; if one is refused, the earlier streams are dropped, which cancels their jobs."""
    return [engine.submit(job) for job in jobs]


async def whole_answers(streams: Sequence[AnswerStream]) -> list[WholeAnswer]:
    """Wait for all answers of a request."""
    return await collect_answers(merged_pieces(streams), len(streams))


async def collect_answers(pieces: AsyncGenerator[tuple[int, Piece], None], num_answers: int) -> list[WholeAnswer]:
    """Wait for all pieces of some answers, and join them."""
    collected: list[list[Piece]] = [[] for _ in range(num_answers)]
    async with aclosing(pieces):
        async for index, piece in pieces:
            collected[index].append(piece)
    return [join_pieces(own) for own in collected]


async def merged_pieces(streams: Sequence[AnswerStream]) -> AsyncGenerator[tuple[int, Piece], None]:
    """Yield the pieces of all answers as they arrive, each with the index of its answer.

    Closing the generator early cancels the remaining work.
    """
    arrived: asyncio.Queue[tuple[int, Piece | Exception]] = asyncio.Queue()

    async def pump(index: int, stream: AnswerStream) -> None:
        try:
            async with stream as pieces:
                async for piece in pieces:
                    arrived.put_nowait((index, piece))
        except Exception as error:
            arrived.put_nowait((index, error))

    tasks = [asyncio.create_task(pump(index, stream)) for index, stream in enumerate(streams)]
    try:
        num_unfinished = len(tasks)
        while num_unfinished:
            index, piece = await arrived.get()
            if isinstance(piece, Exception):
                raise piece
            yield index, piece
            num_unfinished -= piece.finish_reason is not None
    finally:
        for task in tasks:
            task.cancel()


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """Wait for `work`, and cancel it if the client disconnects.

    Raises:
        RequestError: if the client disconnected.
    """
    task = asyncio.ensure_future(work)
    watcher = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestError("the client has disconnected")
        return task.result()
    finally:
        for other in (task, watcher):
            other.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def join_pieces(pieces: Sequence[Piece]) -> WholeAnswer:
    """Join all pieces of one answer."""
    reason = pieces[-1].finish_reason
    assert reason is not None
    return WholeAnswer(
        text="".join(piece.text for piece in pieces),
        num_tokens=sum(piece.num_tokens for piece in pieces),
        choices=tuple(choice for piece in pieces for choice in piece.choices),
        finish_reason=reason,
        adapter_on=pieces[-1].adapter_on,
        plan=pieces[-1].plan,
    )
