"""Answers in OpenAI's form, whole and in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from lorify.answering.text import UNFINISHED
from lorify.serving.engines.answers import WholeAnswer
from lorify.serving.engines.jobs import Job, Piece, TokenChoice


class ChatFormat:
    """One chat completion."""

    def __init__(self, model: str, jobs: Sequence[Job], *, with_usage: bool) -> None:
        """Give the answer its id and time; `with_usage`: a stream ends with the numbers of tokens."""
        self._jobs = jobs
        self._chunk_usage = {"usage": None} if with_usage else {}
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._begun: set[int] = set()

    def whole(self, answers: Sequence[WholeAnswer]) -> dict[str, Any]:
        """The answer of a request that does not stream."""
        self._head["adapter_on"] = any(answer.adapter_on for answer in answers)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "logprobs": self._logprobs(index, answer.choices),
                "finish_reason": answer.finish_reason,
            }
            for index, answer in enumerate(answers)
        ]
        usage = usage_of(self._jobs, sum(answer.num_tokens for answer in answers), num_prompts=1)
        return {"object": "chat.completion", **self._head, "choices": choices, "usage": usage}

    def chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        """One piece of a stream; the first of each answer says who speaks."""
        delta = {"content": piece.text} if index in self._begun else {"role": "assistant", "content": piece.text}
        self._begun.add(index)
        self._head["adapter_on"] = piece.adapter_on
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": self._logprobs(index, piece.choices),
            "finish_reason": piece.finish_reason,
        }
        return {"object": "chat.completion.chunk", **self._head, "choices": [choice], **self._chunk_usage}

    def last_chunk(self, num_tokens: int) -> dict[str, Any]:
        """The numbers of tokens, for those who want them at the end of a stream."""
        usage = usage_of(self._jobs, num_tokens, num_prompts=1)
        return {"object": "chat.completion.chunk", **self._head, "choices": [], "usage": usage}

    def _logprobs(self, index: int, choices: Sequence[TokenChoice]) -> dict[str, Any] | None:
        if self._jobs[index].top_logprobs is None:
            return None

        def told(token: str, logprob: float) -> dict[str, Any]:
            # Of a part of a character there is no text, and so no bytes that could be told from it.
            return {"token": token, "logprob": logprob, "bytes": None if UNFINISHED in token else list(token.encode())}

        content = [
            told(choice.token, choice.logprob) | {"top_logprobs": [told(*likely) for likely in choice.top]}
            for choice in choices
        ]
        return {"content": content, "refusal": None}


class CompletionFormat:
    """One text completion."""

    def __init__(self, model: str, jobs: Sequence[Job], num_prompts: int, *, with_usage: bool) -> None:
        """Give the answer its id and time; `with_usage`: a stream ends with the numbers of tokens."""
        self._jobs = jobs
        self._chunk_usage = {"usage": None} if with_usage else {}
        self._num_prompts = num_prompts
        self._head = {"id": f"cmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._lengths = [0] * len(jobs)  # characters of each answer so far

    def whole(self, answers: Sequence[WholeAnswer]) -> dict[str, Any]:
        """The answer of a request that does not stream."""
        self._head["adapter_on"] = any(answer.adapter_on for answer in answers)
        choices = [
            self._choice(index, answer.text, answer.choices, answer.finish_reason)
            for index, answer in enumerate(answers)
        ]
        usage = usage_of(self._jobs, sum(answer.num_tokens for answer in answers), self._num_prompts)
        return {"object": "text_completion", **self._head, "choices": choices, "usage": usage}

    def chunk(self, index: int, piece: Piece) -> dict[str, Any]:
        """One piece of a stream."""
        self._head["adapter_on"] = piece.adapter_on
        choice = self._choice(index, piece.text, piece.choices, piece.finish_reason)
        return {"object": "text_completion", **self._head, "choices": [choice], **self._chunk_usage}

    def last_chunk(self, num_tokens: int) -> dict[str, Any]:
        """The numbers of tokens, for those who want them at the end of a stream."""
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
    """Numbers of tokens; the `n` answers to one prompt read it once."""
    prompt_tokens = sum(job.num_prompt_tokens for job in jobs[:: len(jobs) // num_prompts])
    return {"prompt_tokens": prompt_tokens, "completion_tokens": num_tokens, "total_tokens": prompt_tokens + num_tokens}
