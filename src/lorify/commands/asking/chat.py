"""`lorify chat`: chat with adapters, or answer questions with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.asking.questions import (
    COMMANDS_TO_QUIT,
    AnswerStyle,
    answer_json,
    check_combination,
    check_given_choices,
    choose_answers,
    read_questions,
    stream_answers,
    write_answer,
)
from lorify.commands.asking.schema_option import Schema, generation_options, read_schema
from lorify.commands.options import (
    AllSources,
    Base,
    Choices,
    Grounded,
    Hypernetwork,
    Json,
    MaxTokens,
    NotStated,
    Questions,
    Sources,
    load_model,
    parse_scaled,
)
from lorify.commands.terminal import print_json, stderr
from lorify.data.answers import NOT_STATED
from lorify.errors import ContextError

if TYPE_CHECKING:
    from lorify.adapters import AdapterStack
    from lorify.base.chat.prompts import Message
    from lorify.facade import Lorify

QUIT_WORDS = (*COMMANDS_TO_QUIT, "quit", "exit")
CHAT_HELP = "Ctrl-C stops an answer, Ctrl-D or /quit ends the chat"

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
    grounded: Grounded = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    max_tokens: MaxTokens = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Chat with adapters, or answer questions with them (-q).

    The base is the one the first adapter was made for, unless --base names another. Questions can also be piped in,
    one per line. Each question of -q or of a pipe is asked by itself; only a chat remembers what was said before.

    Example: lorify chat --adapter handbook-adapter --adapter notes-adapter=0.5
    """
    from lorify.adapters.storage import load_adapter

    questions = read_questions(questions, required=as_json or bool(choices))
    check_combination(
        choices=choices,
        schema=schema is not None,
        sources=sources,
        all_sources=all_sources,
        not_stated=not_stated,
        grounded=grounded,
    )
    json_schema = read_schema(schema)
    choices = check_given_choices(
        choices, questions, schema=schema is not None, sources=sources, all_sources=all_sources
    )
    scaled = [parse_scaled(value) for value in adapter]
    base = load_adapter(scaled[0][0]).provenance.base_name if base is None else base
    model = load_model(base, hypernetwork)
    stack = model.combine([(model.load_adapter(folder), scale) for folder, scale in scaled])
    if json_schema is not None:
        not_stated = ""  # the reply would not match the schema
    style = AnswerStyle(generation_options(max_tokens, json_schema), sources, all_sources, not_stated, grounded)
    if not questions:
        chat_with(model, stack, style)
    elif choices:
        results = choose_answers(model, stack, questions, choices, as_json=as_json)
        if as_json:
            print_json({"answers": results})
    elif as_json:
        print_json({"answers": [answer_json(model, stack, question, style) for question in questions]})
    else:
        stream_answers(model, stack, questions, style)


def chat_with(model: Lorify, adapters: AdapterStack, style: AnswerStyle) -> None:
    """Chat until the input ends, remembering the last turns that fit the base's window.

    Args:
        model: answers.
        adapters: the adapters to answer with.
        style: how to answer, and what to write with an answer.
    """
    prompts, window = model.answerer.prompts, model.base.window_tokens
    answer_tokens = min(style.options.max_new_tokens, window // 2)  # longer ones end where the window does
    messages: list[Message] = []
    for question in _read_lines():
        messages.append({"role": "user", "content": question})
        while len(messages) > 2 and len(prompts.chat_ids(messages)) + answer_tokens > window:
            del messages[:2]
        try:
            request = model.answerer.chat_request(messages, adapters, not_stated=style.not_stated or None)
            asked = replace(request, grounded=style.grounded, schema=style.options.schema)
            answer = write_answer(model, asked, style)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            del messages[-1]
            continue
        except ContextError as error:  # the next question may be shorter
            stderr().print(f"error: {error}", markup=False, style="red")
            del messages[-1]
            continue
        messages.append({"role": "assistant", "content": answer})


def _read_lines() -> Iterator[str]:
    """Yield what the user types, with a prompt and line editing."""
    import readline  # noqa: F401  (gives `input` its line editing)

    stderr().print(f"ask away; {CHAT_HELP}")
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
        if line in QUIT_WORDS:
            return
        if line == "/help":
            stderr().print(f"type a question, or a follow-up to the last one; {CHAT_HELP}")
        elif line:
            yield line
