"""`lorify chat`: chat with adapters, or answer questions with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.options import (
    MAX_TOKENS,
    AllSources,
    Base,
    Choices,
    Hypernetwork,
    Json,
    MaxTokens,
    NotStated,
    Questions,
    Sources,
    load_model,
    parse_scaled,
)
from lorify.commands.questions import answer_json, check_given_choices, choose_answers, read_questions, stream_answers
from lorify.commands.schema_option import Schema, generation_options, read_schema
from lorify.commands.terminal import print_json, stderr, write_stream
from lorify.data.answers import NOT_STATED

if TYPE_CHECKING:
    from lorify.adapters import AdapterStack
    from lorify.base.chat.prompts import Message
    from lorify.facade import Lorify

Adapters = Annotated[
    list[str],
    typer.Option("--adapter", metavar="DIR[=SCALE]", help="Adapter folder or hub address; may be given several times."),
]


def chat(
    adapter: Adapters,
    questions: Questions = None,
    choices: Choices = None,
    sources: Sources = False,
    all_sources: AllSources = False,
    not_stated: NotStated = NOT_STATED,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    max_tokens: MaxTokens = MAX_TOKENS,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Chat with adapters on. With -q: answer and exit.

    The base is the one the first adapter was made for, unless --base names another. Questions can also be piped in,
    one per line.

    Example: lorify chat --adapter handbook-adapter --adapter notes-adapter=0.5
    """
    from lorify.adapters.storage import load_adapter

    questions = read_questions(questions, required=as_json or bool(choices))
    json_schema = read_schema(schema)
    choices = check_given_choices(choices, questions, schema=schema is not None)
    scaled = [parse_scaled(value) for value in adapter]
    base = load_adapter(scaled[0][0]).provenance.base_name if base is None else base
    model = load_model(base, hypernetwork)
    stack = model.combine([(model.load_adapter(folder), scale) for folder, scale in scaled])
    options = generation_options(max_tokens, json_schema)
    if json_schema is not None:
        not_stated = ""  # the reply would not match the schema
    if not questions:
        chat_with(model, stack, max_tokens, json_schema, not_stated=not_stated)
    elif choices:
        results = choose_answers(model, stack, questions, choices, as_json=as_json)
        if as_json:
            print_json({"answers": results})
    elif as_json:
        answers = [
            answer_json(model, stack, question, options, not_stated=not_stated, all_sources=all_sources)
            for question in questions
        ]
        print_json({"answers": answers})
    else:
        stream_answers(
            model, stack, questions, options, sources=sources, all_sources=all_sources, not_stated=not_stated
        )


def chat_with(
    model: Lorify,
    adapters: AdapterStack,
    max_tokens: int,
    schema: Mapping[str, Any] | None = None,
    *,
    not_stated: str = NOT_STATED,
) -> None:
    """Chat until the input ends, remembering the last turns that fit the base's window.

    Args:
        model: answers.
        adapters: the adapters to answer with.
        max_tokens: maximum length of an answer, in tokens.
        schema: JSON schema that every answer matches; None: any text.
        not_stated: reply in place of an answer that the documents do not state; empty gives any answer.
    """
    prompts, window = model.answerer.prompts, model.base.window_tokens
    messages: list[Message] = []
    for question in _read_lines():
        messages.append({"role": "user", "content": question})
        while len(messages) > 2 and len(prompts.chat_ids(messages)) + max_tokens > window:
            del messages[:2]
        try:
            stream = model.stream(
                messages, adapters, not_stated=not_stated or None, max_new_tokens=max_tokens, schema=schema
            )
            answer = write_stream(stream)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            del messages[-1]
            continue
        messages.append({"role": "assistant", "content": answer})


def _read_lines() -> Iterator[str]:
    """Yield what the user types, with a prompt and line editing."""
    import readline  # noqa: F401  (gives `input` its line editing)

    stderr().print("ask away; Ctrl-C stops an answer, Ctrl-D ends the chat")
    while True:
        try:
            line = input("> ").strip()
            line.encode()
        except EOFError:
            sys.stdout.write("\n")
            return
        except UnicodeError:
            stderr().print("that is not UTF-8; type it again in that encoding")
            continue
        if line:
            yield line
