"""`/v1/responses`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sse_starlette import EventSourceResponse

from lorify.errors import LorifyError, RequestError
from lorify.serving.engines.answers import merged_pieces, submit_all, unless_disconnected, whole_answers
from lorify.serving.engines.jobs import Piece
from lorify.serving.http.errors import lorify_error_response
from lorify.serving.http.json_bodies import body_schema, json_body
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.requests import chat_jobs
from lorify.serving.http.responses_format import Event, ResponsesFormat
from lorify.serving.http.routes.content_types import require_json
from lorify.serving.http.routes.generation import ANSWERS
from lorify.serving.http.schemas.responses import ResponsesRequest
from lorify.serving.http.tools import offer_of

Body = Annotated[ResponsesRequest, Depends(json_body(ResponsesRequest))]

_FIELDS = {"messages": "input", "response_format": "text.format", "max_tokens": "max_output_tokens"}
"""Field of a chat -> the field of a response that it was made from, for errors."""

router = APIRouter(prefix="/v1", tags=["answers"], responses=ANSWERS, dependencies=[Depends(require_json)])


@router.post("/responses", openapi_extra=body_schema(ResponsesRequest))
async def respond(body: Body, request: Request, service: ServiceDependency, owner: OwnerDependency) -> Response:
    """Answer in the format of OpenAI's Responses API. Nothing is stored, so each request carries the whole chat."""
    chat = body.as_chat()
    try:
        offer = offer_of(chat)
        jobs = await chat_jobs(service, chat, owner, offer)
    except RequestError as error:
        param = _FIELDS.get(error.param or "", error.param)
        raise RequestError(str(error), param=param, code=error.code) from error
    response_format = ResponsesFormat(body, jobs[0], () if offer is None else offer.functions)
    answers = submit_all(service.engine, jobs)
    if not body.stream:
        (whole,) = await unless_disconnected(request, whole_answers(answers))
        return JSONResponse(response_format.whole(whole))
    pieces = merged_pieces(answers)
    first = await unless_disconnected(request, anext(pieces))
    return EventSourceResponse(
        _events(first[1], pieces, response_format), shutdown_grace_period=service.settings.cut_seconds
    )


async def _events(
    first: Piece, pieces: AsyncGenerator[tuple[int, Piece], None], response_format: ResponsesFormat
) -> AsyncIterator[dict[str, str]]:
    num_tokens = first.num_tokens
    for event in (*response_format.begin(), *response_format.add(first, num_tokens)):
        yield _sent(event)
    try:
        async with aclosing(pieces):  # closes the answer if the client disconnects
            async for _, piece in pieces:
                num_tokens += piece.num_tokens
                for event in response_format.add(piece, num_tokens):
                    yield _sent(event)
    except LorifyError as error:
        detail = json.loads(bytes(lorify_error_response(error).body))["error"]
        yield _sent(response_format.failed(detail["message"], detail["code"]))


def _sent(event: Event) -> dict[str, str]:
    return {"event": event["type"], "data": json.dumps(event)}
