"""Turn requests into jobs for the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from jinja2 import TemplateError

from lorify.adapters import AdapterStack
from lorify.answering.plan import AnswerRequest
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.errors import RequestError
from lorify.serving.engines.jobs import Job
from lorify.serving.http.schemas import MAX_SEED, ChatRequest, CompletionRequest
from lorify.serving.service import Service


async def chat_jobs(service: Service, body: ChatRequest, owner: str) -> list[Job]:
    """Return a job for each of the `n` answers to a chat.

    Raises:
        RequestError: if the request is invalid or its prompt too long.
        UnknownModelError, UnknownAdapterError: if it names a model or adapter that the owner does not have.
    """
    if body.top_logprobs is not None and not body.logprobs:
        raise RequestError("top_logprobs requires logprobs to be true", param="top_logprobs")
    roles = {"developer": "system"}
    messages = [{"role": roles.get(m.role, m.role), "content": m.text} for m in body.messages]
    try:
        request = await asyncio.to_thread(service.model.answerer.chat_request, messages, AdapterStack())
    except TemplateError as error:
        raise RequestError(f"the model's chat template rejects the messages ({error})", param="messages") from error
    stack = await service.adapter_stack(body.model, _scales(body), owner)
    longest = body.max_completion_tokens or body.max_tokens
    job = Job(
        request=replace(request, adapters=stack, only_if_relevant=body.only_if_relevant),
        options=_options(body, _answer_tokens(service, len(request.prompt_ids), longest)),
        stops=body.stops,
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        trim=True,
    )
    return _repeated(service, [job], body.n or 1)


async def completion_jobs(service: Service, body: CompletionRequest, owner: str) -> list[Job]:
    """Return a job for each of the `n` answers to each prompt; those of one prompt are adjacent.

    Raises:
        RequestError: if the request is invalid or a prompt too long.
        UnknownModelError, UnknownAdapterError: if it names a model or adapter that the owner does not have.
    """
    base = service.model.base
    jobs = []
    for prompt in await asyncio.to_thread(_prompts, body, base):
        stack = await service.adapter_stack(body.model, _scales(body), owner)
        request = AnswerRequest(tuple(prompt), stack, base.decode_text(prompt), only_if_relevant=body.only_if_relevant)
        options = _options(body, _answer_tokens(service, len(prompt), body.max_tokens))
        jobs.append(Job(request, options, body.stops, body.logprobs))
    return _repeated(service, jobs, body.n or 1)


def _scales(body: ChatRequest | CompletionRequest) -> list[tuple[str, float]]:
    ids = [adapter.id for adapter in body.adapters]
    if len(set(ids)) < len(ids):
        raise RequestError("an adapter is given twice; give each once, with its scale", param="adapters")
    return [(adapter.id, adapter.scale) for adapter in body.adapters]


def _options(body: ChatRequest | CompletionRequest, max_new_tokens: int) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens,
        temperature=body.temperature or 0.0,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
    )


def _repeated(service: Service, jobs: Sequence[Job], n: int) -> list[Job]:
    limit = service.settings.max_answers
    if len(jobs) * n > limit:
        raise RequestError(f"{len(jobs) * n} answers requested, the limit is {limit}; split the request", param="n")
    repeated = [job for job in jobs for _ in range(n)]
    return [
        replace(job, options=replace(job.options, seed=(job.options.seed + i) % MAX_SEED))
        if job.options.seed is not None
        else job
        for i, job in enumerate(repeated)
    ]


def _prompts(body: CompletionRequest, base: BaseLM) -> list[list[int]]:
    given = body.prompt
    texts: list[str] = [given] if isinstance(given, str) else [item for item in given if isinstance(item, str)]
    numbers = [] if isinstance(given, str) else [item for item in given if isinstance(item, int)]
    lists = [] if isinstance(given, str) else [list(item) for item in given if isinstance(item, tuple)]
    prompts = [list(base.tokenizer(text)["input_ids"]) for text in texts] + ([numbers] if numbers else []) + lists
    if not prompts or not all(prompts):
        raise RequestError("the prompt is empty; give at least one token", param="prompt")
    size = base.model.config.vocab_size
    for token in (token for prompt in prompts for token in prompt):
        if not 0 <= token < size:
            raise RequestError(f"token {token} is not in the vocabulary; give ids from 0 to {size - 1}", param="prompt")
    return prompts


def _answer_tokens(service: Service, prompt_tokens: int, requested: int | None) -> int:
    """Limit on the answer in tokens; raises a RequestError if it does not fit the base's window."""
    window = service.model.base.window_tokens
    room = window - prompt_tokens
    if room < (requested or 1):
        raise RequestError(
            f"the prompt has {prompt_tokens:,} tokens, the answer up to {requested or 1:,}, and the context window is "
            f"{window:,} tokens; shorten the prompt or internalize it",
            param="messages",
            code="context_length_exceeded",
        )
    return requested or min(service.settings.default_answer_tokens, room)
