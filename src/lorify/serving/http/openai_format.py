"""Answers in OpenAI's format, complete and in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from lorify.base.token_texts import UNFINISHED
from lorify.serving.answer_checks import AnswerCheck
from lorify.serving.engines.answers import WholeAnswer
from lorify.serving.engines.jobs import Job, Piece, TokenChoice
from lorify.serving.http.schemas.tools import Function
from lorify.serving.http.tools import CallBuffer


class ChatFormat:
    """Formats one chat completion."""

    def __init__(
        self, model: str, jobs: Sequence[Job], *, with_usage: bool, functions: Sequence[Function] = ()
    ) -> None:
        """Assign the completion's id and time.

        Args:
            model: the requested model.
            jobs: the job of each answer.
            with_usage: whether a stream ends with the token counts.
            functions: the functions that answers may call.
        """
        self._jobs = jobs
        self._buffers = [CallBuffer(functions) for _ in jobs]
        self._chunk_usage = {"usage": None} if with_usage else {}
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._started: set[int] = set()
        self.checks: dict[int, AnswerCheck] = {}

    def whole(self, answers: Sequence[WholeAnswer]) -> dict[str, Any]:
        """Return the response to a request that does not stream."""
        self._head["adapter_on"] = any(answer.adapter_on for answer in answers)
        choices = [self._whole_choice(index, answer) for index, answer in enumerate(answers)]
        usage = usage_of(self._jobs, sum(answer.num_tokens for answer in answers), num_prompts=1)
        return {"object": "chat.completion", **self._head, "choices": choices, "usage": usage}

    def chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        """Return the chunk of one piece; the first chunk of each answer carries the role."""
        text, call = self._buffers[index].add(piece.text, last=piece.finish_reason is not None)
        delta: dict[str, Any] = {"content": text}
        if call is not None:
            delta = {"tool_calls": [{"index": 0, **call}]}
        if index not in self._started:
            delta = {"role": "assistant", **delta}
        self._started.add(index)
        self._head["adapter_on"] = piece.adapter_on
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": self._logprobs(index, piece.choices),
            "finish_reason": piece.finish_reason if call is None else "tool_calls",
            **self._check_fields(index),
        }
        return {"object": "chat.completion.chunk", **self._head, "choices": [choice], **self._chunk_usage}

    def _whole_choice(self, index: int, answer: WholeAnswer) -> dict[str, Any]:
        text, call = self._buffers[index].add(answer.text, last=True)
        message: dict[str, Any] = {"role": "assistant", "content": text if call is None else None, "refusal": None}
        if call is not None:
            message["tool_calls"] = [call]
        return {
            "index": index,
            "message": message,
            "logprobs": self._logprobs(index, answer.choices),
            "finish_reason": answer.finish_reason if call is None else "tool_calls",
            **self._check_fields(index),
        }

    def last_chunk(self, num_tokens: int) -> dict[str, Any]:
        """Return the last chunk, with the token counts."""
        usage = usage_of(self._jobs, num_tokens, num_prompts=1)
        return {"object": "chat.completion.chunk", **self._head, "choices": [], "usage": usage}

    def _check_fields(self, index: int) -> dict[str, Any]:
        """Fields of lorify's own that a choice gets when its answer has been checked against the documents."""
        return self.checks[index].as_dict() if index in self.checks else {}

    def _logprobs(self, index: int, choices: Sequence[TokenChoice]) -> dict[str, Any] | None:
        if self._jobs[index].top_logprobs is None:
            return None

        def describe(token: str, logprob: float) -> dict[str, Any]:
            # A token that is part of a character has no text of its own, so its bytes are unknown.
            return {"token": token, "logprob": logprob, "bytes": None if UNFINISHED in token else list(token.encode())}

        content = [
            describe(choice.token, choice.logprob) | {"top_logprobs": [describe(*likely) for likely in choice.top]}
            for choice in choices
        ]
        return {"content": content, "refusal": None}


class CompletionFormat:
    """Formats one text completion."""

    def __init__(self, model: str, jobs: Sequence[Job], num_prompts: int, *, with_usage: bool) -> None:
        """Assign the completion's id and time; `with_usage`: a stream ends with the token counts."""
        self._jobs = jobs
        self._chunk_usage = {"usage": None} if with_usage else {}
        self._num_prompts = num_prompts
        self._head = {"id": f"cmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._lengths = [0] * len(jobs)  # characters of each answer so far

    def whole(self, answers: Sequence[WholeAnswer]) -> dict[str, Any]:
        """Return the response to a request that does not stream."""
        self._head["adapter_on"] = any(answer.adapter_on for answer in answers)
        choices = [
            self._choice(index, answer.text, answer.choices, answer.finish_reason)
            for index, answer in enumerate(answers)
        ]
        usage = usage_of(self._jobs, sum(answer.num_tokens for answer in answers), self._num_prompts)
        return {"object": "text_completion", **self._head, "choices": choices, "usage": usage}

    def chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        """Return the chunk of one piece."""
        self._head["adapter_on"] = piece.adapter_on
        choice = self._choice(index, piece.text, piece.choices, piece.finish_reason)
        return {"object": "text_completion", **self._head, "choices": [choice], **self._chunk_usage}

    def last_chunk(self, num_tokens: int) -> dict[str, Any]:
        """Return the last chunk, with the token counts."""
        usage = usage_of(self._jobs, num_tokens, self._num_prompts)
        return {"object": "text_completion", **self._head, "choices": [], "usage": usage}

    def _choice(self, index: int, text: str, choices: Sequence[TokenChoice], reason: str | None) -> dict[str, Any]:
        logprobs = None
        if self._jobs[index].top_logprobs is not None:
            offsets = []
            for choice in choices:
                offsets.append(self._lengths[index])
                self._lengths[index] += len(choice.token)
            logprobs = {
                "tokens": [choice.token for choice in choices],
                "token_logprobs": [choice.logprob for choice in choices],
                "top_logprobs": [dict(choice.top) for choice in choices],
                "text_offset": offsets,
            }
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


def usage_of(jobs: Sequence[Job], num_tokens: int, num_prompts: int) -> dict[str, int]:
    """Count tokens; the prompt of `n` answers counts once."""
    prompt_tokens = sum(job.num_prompt_tokens for job in jobs[:: len(jobs) // num_prompts])
    return {"prompt_tokens": prompt_tokens, "completion_tokens": num_tokens, "total_tokens": prompt_tokens + num_tokens}
