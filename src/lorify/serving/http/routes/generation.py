"""`/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sse_starlette import EventSourceResponse

from lorify.errors import LorifyError
from lorify.serving.answer_checks import checked_pieces
from lorify.serving.engines.answers import collect_answers, merged_pieces, submit_all, unless_disconnected
from lorify.serving.engines.jobs import Job, Piece
from lorify.serving.http.errors import lorify_error_response, openapi_errors
from lorify.serving.http.json_bodies import body_schema, json_body
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.openai_format import ChatFormat, CompletionFormat
from lorify.serving.http.requests import chat_jobs, completion_jobs
from lorify.serving.http.routes.content_types import require_json
from lorify.serving.http.schemas.chat import ChatRequest
from lorify.serving.http.schemas.generation import CompletionRequest
from lorify.serving.http.tools import offer_of
from lorify.serving.service import Service

ERRORS = openapi_errors(400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504)
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A completion in OpenAI's format; with `stream`, its chunks as server-sent events.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {**ERRORS, **_STREAM}
"""Responses of the routes that answer, for FastAPI's `responses`."""

ChatBody = Annotated[ChatRequest, Depends(json_body(ChatRequest))]
CompletionBody = Annotated[CompletionRequest, Depends(json_body(CompletionRequest))]

router = APIRouter(prefix="/v1", tags=["answers"], responses=ANSWERS, dependencies=[Depends(require_json)])


@router.post("/chat/completions", openapi_extra=body_schema(ChatRequest))
async def chat(body: ChatBody, request: Request, service: ServiceDependency, owner: OwnerDependency) -> Response:
    """Answer a chat. Adapters supply the content of their documents; the prompt does not contain it."""
    offer = offer_of(body)
    jobs = await chat_jobs(service, body, owner, offer)
    functions = () if offer is None else offer.functions
    answer_format = ChatFormat(body.model, jobs, with_usage=body.with_usage, functions=functions)
    return await _answer(request, service, body, jobs, answer_format)


@router.post("/completions", openapi_extra=body_schema(CompletionRequest))
async def complete(
    body: CompletionBody, request: Request, service: ServiceDependency, owner: OwnerDependency
) -> Response:
    """Continue one or several prompts."""
    jobs = await completion_jobs(service, body, owner)
    num_prompts = len(jobs) // (body.n or 1)
    answer_format = CompletionFormat(body.model, jobs, num_prompts, with_usage=body.with_usage)
    return await _answer(request, service, body, jobs, answer_format)


async def _answer(
    request: Request,
    service: Service,
    body: ChatRequest | CompletionRequest,
    jobs: Sequence[Job],
    answer_format: ChatFormat | CompletionFormat,
) -> Response:
    pieces = merged_pieces(submit_all(service.engine, jobs))
    if isinstance(body, ChatRequest) and body.is_checked:
        assert isinstance(answer_format, ChatFormat)
        answerer = service.model.answerer
        checks, workers = answer_format.checks, service.answer_checks
        pieces = checked_pieces(
            answerer, jobs, pieces, checks, workers, sources=body.sources, all_sources=body.all_sources
        )
    if not body.stream:
        whole = await unless_disconnected(request, collect_answers(pieces, len(jobs)))
        return JSONResponse(answer_format.whole(whole))
    # The first piece is awaited before the response starts, so that early errors get their own status.
    first = await unless_disconnected(request, anext(pieces))
    return EventSourceResponse(
        _events(first, pieces, answer_format, with_usage=body.with_usage),
        shutdown_grace_period=service.settings.cut_seconds,
    )


async def _events(
    first: tuple[int, Piece],
    pieces: AsyncGenerator[tuple[int, Piece], None],
    answer_format: ChatFormat | CompletionFormat,
    *,
    with_usage: bool,
) -> AsyncIterator[dict[str, str]]:
    num_tokens = first[1].num_tokens
    yield {"data": json.dumps(answer_format.chunk(*first))}
    try:
        async with aclosing(pieces):  # closes the answers if the client disconnects
            async for index, piece in pieces:
                num_tokens += piece.num_tokens
                if piece.text or piece.choices or piece.finish_reason:
                    yield {"data": json.dumps(answer_format.chunk(index, piece))}
    except LorifyError as error:
        # The status has been sent already; OpenAI's clients raise the error of such a chunk.
        yield {"data": bytes(lorify_error_response(error).body).decode()}
        return
    if with_usage:
        yield {"data": json.dumps(answer_format.last_chunk(num_tokens))}
    yield {"data": "[DONE]"}
