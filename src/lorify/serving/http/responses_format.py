"""Answers of `/v1/responses`: the response object, and the events of its stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from lorify.serving.engines.answers import WholeAnswer
from lorify.serving.engines.jobs import Job, Piece
from lorify.serving.http.schemas.responses import ResponsesRequest
from lorify.serving.http.schemas.tools import Function
from lorify.serving.http.tools import CallBuffer

Event = dict[str, Any]

_NOT_REPEATED = {"input", "stream", "adapters", "only_if_relevant"}
"""Fields of a request that the response object does not have."""


class ResponsesFormat:
    """Formats one response."""

    def __init__(self, body: ResponsesRequest, job: Job, functions: Sequence[Function]) -> None:
        """Assign ids and the time.

        Args:
            body: the request.
            job: its job.
            functions: the functions that the answer may call.
        """
        self._body, self._job = body, job
        self._buffer = CallBuffer(functions)
        self._id, self._created = f"resp_{uuid.uuid4().hex}", int(time.time())
        self._item_id = f"msg_{uuid.uuid4().hex}"
        self._num_events = 0
        self._text = ""
        self._is_open = False  # whether the message of the stream has begun

    def whole(self, answer: WholeAnswer) -> dict[str, Any]:
        """Return the response to a request that does not stream."""
        text, call = self._buffer.add(answer.text, last=True)
        output = _message(self._item_id, text) if call is None else _function_call(self._item_id, call)
        return self._response(answer.finish_reason, [output], answer.num_tokens)

    def begin(self) -> Iterator[Event]:
        """Yield the first events of a stream."""
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response=self._response(None, [], 0))

    def add(self, piece: Piece, num_tokens: int) -> Iterator[Event]:
        """Yield the events of one piece.

        Args:
            piece: the piece.
            num_tokens: tokens of the answer so far, this piece included.
        """
        text, call = self._buffer.add(piece.text, last=piece.finish_reason is not None)
        if call is not None:
            yield from self._call(call)
            yield self._end(piece, _function_call(self._item_id, call), num_tokens)
            return
        if text or piece.finish_reason is not None:
            yield from self._open()
        if text:
            self._text += text
            yield self._part_event("response.output_text.delta", delta=text, logprobs=[])
        if piece.finish_reason is not None:
            yield from self._close()
            yield self._end(piece, _message(self._item_id, self._text), num_tokens)

    def failed(self, message: str, code: str | None) -> Event:
        """Return the event of an error that ends a stream."""
        return self._event("error", message=message, code=code, param=None)

    def _open(self) -> Iterator[Event]:
        if self._is_open:
            return
        self._is_open = True
        item = _message(self._item_id, "") | {"status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=item)
        yield self._part_event("response.content_part.added", part=_text_part(""))

    def _close(self) -> Iterator[Event]:
        yield self._part_event("response.output_text.done", text=self._text, logprobs=[])
        yield self._part_event("response.content_part.done", part=_text_part(self._text))
        yield self._event("response.output_item.done", output_index=0, item=_message(self._item_id, self._text))

    def _call(self, call: dict[str, Any]) -> Iterator[Event]:
        item = _function_call(self._item_id, call)
        place = {"item_id": self._item_id, "output_index": 0}
        begun = item | {"arguments": "", "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=0, item=begun)
        yield self._event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        yield self._event(
            "response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"]
        )
        yield self._event("response.output_item.done", output_index=0, item=item)

    def _end(self, piece: Piece, item: dict[str, Any], num_tokens: int) -> Event:
        response = self._response(piece.finish_reason, [item], num_tokens)
        return self._event(f"response.{response['status']}", response=response)

    def _part_event(self, kind: str, **fields: Any) -> Event:
        return self._event(kind, item_id=self._item_id, output_index=0, content_index=0, **fields)

    def _event(self, kind: str, **fields: Any) -> Event:
        self._num_events += 1
        return {"type": kind, "sequence_number": self._num_events - 1, **fields}

    def _response(self, finish_reason: str | None, output: list[dict[str, Any]], num_tokens: int) -> dict[str, Any]:
        """Return the response object; without a finish reason it is in progress."""
        asked = self._body.model_dump(mode="json", by_alias=True, exclude=_NOT_REPEATED)
        status = {None: "in_progress", "length": "incomplete"}.get(finish_reason, "completed")
        num_prompt_tokens = self._job.num_prompt_tokens
        usage = {
            "input_tokens": num_prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": num_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": num_prompt_tokens + num_tokens,
        }
        return {
            **asked,
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "text": asked["text"] or {"format": {"type": "text"}},
            "tool_choice": asked["tool_choice"] or "auto",
            "truncation": "disabled",
            "usage": None if finish_reason is None else usage,
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(id: str, text: str) -> dict[str, Any]:
    return {"id": id, "type": "message", "status": "completed", "role": "assistant", "content": [_text_part(text)]}


def _function_call(id: str, call: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "type": "function_call", "status": "completed", "call_id": call["id"], **call["function"]}
