"""The answers of one request: all of them whole, or their pieces as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from lorify.errors import RequestError
from lorify.serving.engines.jobs import Answer, Engine, FinishReason, Job, Piece, TokenChoice

T = TypeVar("T")


@dataclass(frozen=True)
class WholeAnswer:
    """All pieces of an answer together."""

    text: str
    num_tokens: int
    choices: tuple[TokenChoice, ...]
    finish_reason: FinishReason


def submit_all(engine: Engine, jobs: Sequence[Job]) -> list[Answer]:
    """Submit all jobs of a request or none; those submitted before one is refused are cancelled as they are dropped."""
    return [engine.submit(job) for job in jobs]


async def whole_answers(answers: Sequence[Answer]) -> list[WholeAnswer]:
    """Wait for all answers."""
    collected: list[list[Piece]] = [[] for _ in answers]
    async for index, piece in merged_pieces(answers):
        collected[index].append(piece)
    return [_whole(pieces) for pieces in collected]


async def merged_pieces(answers: Sequence[Answer]) -> AsyncGenerator[tuple[int, Piece], None]:
    """Pieces of all answers as they come, each with the place of its answer; leaving early cancels the rest."""
    arrived: asyncio.Queue[tuple[int, Piece | Exception]] = asyncio.Queue()

    async def pump(index: int, answer: Answer) -> None:
        try:
            async with answer as pieces:
                async for piece in pieces:
                    arrived.put_nowait((index, piece))
        except Exception as error:
            arrived.put_nowait((index, error))

    tasks = [asyncio.create_task(pump(index, answer)) for index, answer in enumerate(answers)]
    try:
        left = len(tasks)
        while left:
            index, piece = await arrived.get()
            if isinstance(piece, Exception):
                raise piece
            yield index, piece
            left -= piece.finish_reason is not None
    finally:
        for task in tasks:
            task.cancel()


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """Wait for `work`, which is cancelled when the client goes away."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestError("the client is gone")
        return task.result()
    finally:
        for other in (task, watcher):
            other.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _whole(pieces: Sequence[Piece]) -> WholeAnswer:
    reason = pieces[-1].finish_reason
    assert reason is not None
    return WholeAnswer(
        text="".join(piece.text for piece in pieces),
        num_tokens=sum(piece.num_tokens for piece in pieces),
        choices=tuple(choice for piece in pieces for choice in piece.choices),
        finish_reason=reason,
    )
