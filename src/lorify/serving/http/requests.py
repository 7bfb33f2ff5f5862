"""Turn requests into jobs for the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from jinja2 import TemplateError

from lorify.adapters import AdapterStack
from lorify.answering.plan import AnswerRequest
from lorify.base.chat.prompts import Message
from lorify.base.constraints import Constraint, json_constraint
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import RequestError, SchemaError
from lorify.serving.engines.jobs import Job
from lorify.serving.http.chat_messages import base_messages
from lorify.serving.http.schemas.chat import ChatRequest
from lorify.serving.http.schemas.generation import MAX_SEED, CompletionRequest, GenerationBody, Prompt, ScaledAdapter
from lorify.serving.http.tools import Offer
from lorify.serving.limits.text_sizes import Window
from lorify.serving.service import Service


async def chat_jobs(service: Service, body: ChatRequest, owner: str, offer: Offer | None) -> list[Job]:
    """Return a job for each of the `n` answers to a chat.

    Args:
        service: the service.
        body: the request.
        owner: whose adapters may be used.
        offer: the functions that may be called.

    Raises:
        RequestError: if the request is invalid or its prompt too long.
        UnknownModelError, UnknownAdapterError: if it names a model or adapter that the owner does not have.
    """
    if body.top_logprobs and not body.logprobs:
        raise RequestError("top_logprobs requires logprobs to be true", param="top_logprobs")
    if body.grounded and (offer is not None or (body.response_format and body.response_format.answer_schema)):
        raise RequestError(
            "grounded replies with a sentence, which neither response_format nor tools allow; leave it out, and let "
            "fields be null that the documents may not state",
            param="grounded",
        )
    messages = base_messages(body.messages)
    if offer is not None:
        messages = offer.with_instruction(messages)
    stack = await service.adapter_stack(body.model, adapter_scales(body.adapters), owner)
    try:
        with service.prompts.slot(owner):
            request = await service.prompts.run(partial(prompt_request, service, messages, stack), owner)
            constraint = await service.prompts.run(partial(_constraint, service, body, offer), owner)
    except TemplateError as error:
        raise RequestError(f"the model's chat template rejects the messages ({error})", param="messages") from error
    longest = body.max_completion_tokens or body.max_tokens
    options = replace(
        _options(service, body, _answer_tokens(service, len(request.prompt_ids), longest, "messages")),
        constraint=constraint,
    )
    job = Job(
        request=replace(
            request,
            only_if_relevant=body.only_if_relevant,
            not_stated=body.not_stated,
            grounded=body.grounded,
            schema=options.schema,
        ),
        options=options,
        stops=body.stops,
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        trim=True,
        owner=owner,
        with_plan=body.is_checked,
    )
    return _repeated(service, [job], body.n or 1)


async def completion_jobs(service: Service, body: CompletionRequest, owner: str) -> list[Job]:
    """Return a job for each of the `n` answers to each prompt; those of one prompt are adjacent.

    Raises:
        RequestError: if the request is invalid or a prompt too long.
        UnknownModelError, UnknownAdapterError: if it names a model or adapter that the owner does not have.
    """
    jobs = []
    stack = await service.adapter_stack(body.model, adapter_scales(body.adapters), owner)
    with service.prompts.slot(owner):
        prompts = await service.prompts.run(partial(_prompts, service, body), owner)
    for prompt, text in prompts:
        request = AnswerRequest(prompt, stack, text, only_if_relevant=body.only_if_relevant)
        options = _options(service, body, _answer_tokens(service, len(prompt), body.max_tokens, "prompt"))
        jobs.append(Job(request, options, body.stops, body.logprobs, owner=owner))
    return _repeated(service, jobs, body.n or 1)


def prompt_request(
    service: Service, messages: Sequence[Message], adapters: AdapterStack, *, param: str = "messages"
) -> AnswerRequest:
    """Build the prompt of a chat, unless it is certainly longer than the base's window.

    Args:
        service: the service.
        messages: the chat.
        adapters: the adapters to answer with.
        param: field of the request that holds the chat, for errors.

    Raises:
        RequestError: if it is too long.
    """
    window = Window(service.model.base)
    window.check_tokens(len(messages), param)  # each takes a token at least
    window.check_text("\n".join(message["content"] for message in messages), param)
    return service.model.answerer.chat_request(messages, adapters)


def _constraint(service: Service, body: ChatRequest, offer: Offer | None) -> Constraint | None:
    """Return the form that a request asks for; raises a RequestError if it cannot be enforced."""
    schema = None if body.response_format is None else body.response_format.answer_schema
    if offer is None and schema is None:
        return None
    try:
        constraint = json_constraint(schema or {}) if offer is None else offer.constraint(schema)
    except SchemaError as error:
        raise RequestError(str(error), param="response_format" if offer is None else "tools") from error
    _ = service.model.base.grammar_tokens  # built here, as the engine's thread would hold up other answers
    return constraint


def adapter_scales(adapters: Sequence[ScaledAdapter]) -> list[tuple[str, float]]:
    """Return the ids and scales of a request's adapters.

    Raises:
        RequestError: if one is given twice.
    """
    ids = [adapter.id for adapter in adapters]
    if len(set(ids)) < len(ids):
        raise RequestError("an adapter is given twice; give each once, with its scale", param="adapters")
    return [(adapter.id, adapter.scale) for adapter in adapters]


def _options(service: Service, body: GenerationBody, max_new_tokens: int) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens,
        temperature=body.temperature or 0.0,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        logit_bias=_biases(body, service.model.base.model.config.vocab_size),
    )


def _biases(body: GenerationBody, vocabulary_size: int) -> tuple[tuple[int, float], ...]:
    biases = []
    for token, bias in (body.logit_bias or {}).items():
        if not (token.isascii() and token.isdecimal() and len(token) < 10 and int(token) < vocabulary_size):
            raise RequestError(
                f"token {token[:40]!r} is not in the vocabulary; give ids from 0 to {vocabulary_size - 1}",
                param="logit_bias",
            )
        biases.append((int(token), bias))
    return tuple(biases)


def _repeated(service: Service, jobs: Sequence[Job], n: int) -> list[Job]:
    _check_num_answers(service, len(jobs) * n)
    repeated = [job for job in jobs for _ in range(n)]
    return [
        replace(job, options=replace(job.options, seed=(job.options.seed + i) % MAX_SEED))
        if job.options.seed is not None
        else job
        for i, job in enumerate(repeated)
    ]


def _check_num_answers(service: Service, number: int) -> None:
    limit = service.settings.max_answers
    if number > limit:
        raise RequestError(f"{number} answers requested, the limit is {limit}; split the request", param="n")


def _given_prompts(prompt: Prompt) -> list[str | tuple[int, ...]]:
    """Return each prompt of a request, as a text or as token ids."""
    if isinstance(prompt, str):
        return [prompt]
    numbers = tuple(item for item in prompt if isinstance(item, int))
    return [numbers] if numbers else [item for item in prompt if not isinstance(item, int)]


def _prompts(service: Service, body: CompletionRequest) -> list[tuple[tuple[int, ...], str]]:
    """Return the token ids and the text of each prompt; sizes are checked before anything is tokenized or decoded."""
    base = service.model.base
    given = _given_prompts(body.prompt)
    _check_num_answers(service, len(given) * (body.n or 1))
    window = Window(base)
    prompts: list[tuple[int, ...]] = []
    for item in given:
        if isinstance(item, str):
            window.check_text(item, "prompt")
            prompts.append(tuple(base.tokenizer(item)["input_ids"]))
        else:
            window.check_tokens(len(item), "prompt")
            prompts.append(item)
    if not prompts or not all(prompts):
        raise RequestError("the prompt is empty; give at least one token", param="prompt")
    size = base.model.config.vocab_size
    for token in (token for prompt in prompts for token in prompt):
        if not 0 <= token < size:
            raise RequestError(f"token {token} is not in the vocabulary; give ids from 0 to {size - 1}", param="prompt")
    for prompt in prompts:
        window.check_tokens(len(prompt), "prompt")
    return [(prompt, base.decode_text(prompt)) for prompt in prompts]


def _answer_tokens(service: Service, prompt_tokens: int, requested: int | None, param: str) -> int:
    """Limit on the answer in tokens: what was requested, or as much as the prompt leaves of the base's window.

    Raises:
        RequestError: if the prompt leaves nothing.
    """
    window = service.model.base.window_tokens
    room = window - prompt_tokens
    if room < 1:
        raise RequestError(
            f"the prompt has {prompt_tokens:,} tokens, and the context window is {window:,} tokens, so there is no "
            "room for an answer; shorten the prompt or internalize it",
            param=param,
            code="context_length_exceeded",
        )
    return min(requested or service.settings.default_answer_tokens, room)
