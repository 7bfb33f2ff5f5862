"""Checks of complete answers against the documents of their adapters: their sources, and whether they are stated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from lorify.answering.answerer import Answerer
from lorify.answering.by_document import SourcedAnswer, answer_by_document
from lorify.answering.sources import Source
from lorify.serving.engines.answers import WholeAnswer, join_pieces
from lorify.serving.engines.jobs import Job, Piece
from lorify.serving.limits.workers import Workers

NOT_STATED_REASON = "not_stated"


@dataclass(frozen=True)
class AnswerCheck:
    """The result of a check.

    Attributes:
        sources: where the answer was taken from; empty if that is unknown or was not asked for.
        withheld: the answer that was replaced, as the documents do not state it; empty if there was none, as
            the question has nothing to do with them; None if nothing was replaced.
        by_document: what each document answers; None if it was not asked for.
    """

    sources: tuple[Source, ...] = ()
    withheld: str | None = None
    by_document: tuple[SourcedAnswer, ...] | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the fields that a choice of a response gets."""
        fields: dict[str, object] = {"sources": [source.as_dict() for source in self.sources]}
        if self.by_document is not None:
            fields["by_document"] = [answer.as_dict() for answer in self.by_document]
        if self.withheld is not None:
            fields |= {"answer": None, "reason": NOT_STATED_REASON, "withheld": self.withheld or None}
        return fields


async def checked_pieces(
    answerer: Answerer,
    jobs: Sequence[Job],
    pieces: AsyncGenerator[tuple[int, Piece], None],
    checks: dict[int, AnswerCheck],
    workers: Workers,
    *,
    sources: bool,
    all_sources: bool = False,
) -> AsyncGenerator[tuple[int, Piece], None]:
    """Pass on the pieces of answers, and check each answer before its last piece.

    An answer that may be replaced, since the documents may not state it, is held back until it is complete.

    Args:
        answerer: it has the reader of the documents.
        jobs: the job of each answer.
        pieces: the pieces of all answers, each with the index of its answer.
        checks: receives the check of each answer, by its index.
        workers: check the answers, fairly between owners.
        sources: find the answers' sources.
        all_sources: also answer from each document alone.
    """
    arrived: list[list[Piece]] = [[] for _ in jobs]
    async with aclosing(pieces):
        async for index, piece in pieces:
            arrived[index].append(piece)
            is_held = jobs[index].request.reply_if_not_stated is not None
            if piece.finish_reason is None:
                if not is_held:
                    yield index, piece
                continue
            answer = join_pieces(arrived[index])
            owner = jobs[index].owner
            answer, check = await workers.run(partial(_check, answerer, jobs[index], answer, sources=sources), owner)
            if all_sources:
                by_document = partial(answer_by_document, answerer, jobs[index].request, jobs[index].options)
                check = replace(check, by_document=tuple(await workers.run(by_document, owner)))
            checks[index] = check
            yield index, as_piece(answer) if is_held else piece


def as_piece(answer: WholeAnswer) -> Piece:
    """Convert a complete answer to the only piece of a stream."""
    return Piece(answer.text, answer.num_tokens, answer.choices, answer.finish_reason, answer.adapter_on)


def _check(answerer: Answerer, job: Job, answer: WholeAnswer, *, sources: bool) -> tuple[WholeAnswer, AnswerCheck]:
    request = job.request
    if answer.plan is not None and answer.plan.is_declined:
        return answer, AnswerCheck(withheld="")
    if answer.plan is None or not answer.plan.is_on:
        return answer, AnswerCheck()
    signals = answerer.signals(answer.plan, answer.text)
    reply = request.reply_if_not_stated
    if reply is not None and not answerer.is_stated(signals):
        return replace(answer, text=reply, choices=()), AnswerCheck(withheld=answer.text)
    source = signals.source if sources else None
    return answer, AnswerCheck((source,) if source is not None else ())
