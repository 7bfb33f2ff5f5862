"""`lorify ask`: answer questions about documents, or do a task."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.adapters.specialize import specialize_timed
from lorify.commands.asking.chat import chat_with
from lorify.commands.asking.questions import (
    AnswerStyle,
    answer_json,
    check_combination,
    check_given_choices,
    choose_answers,
    read_questions,
    source_line,
    stream_answers,
)
from lorify.commands.asking.schema_option import Schema, generation_options, read_schema
from lorify.commands.options import (
    DOCUMENTS_HELP,
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
    TaskHypernetwork,
    check_encoding,
    internalize_documents,
    load_model,
    read_contexts,
)
from lorify.commands.terminal import duration, print_json, print_line, stderr
from lorify.data.answers import NOT_STATED
from lorify.errors import ContextError, RequestError

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.contexts.images import Context
    from lorify.facade import Lorify

OptionalDocuments = Annotated[list[str] | None, typer.Argument(metavar="DOC", help=DOCUMENTS_HELP)]
MoreDocuments = Annotated[
    list[str] | None,
    typer.Option("--doc", metavar="DOC", help="Document or image, as for DOC; may be given several times."),
]
Task = Annotated[
    str | None,
    typer.Option("--task", metavar="DESCRIPTION", callback=check_encoding, help="Task to do with each question."),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Also answer with the base alone, and with the documents in its prompt.")
]


def ask(
    documents: OptionalDocuments = None,
    more_documents: MoreDocuments = None,
    task: Task = None,
    questions: Questions = None,
    choices: Choices = None,
    compare: Compare = False,
    sources: Sources = False,
    all_sources: AllSources = False,
    not_stated: NotStated = NOT_STATED,
    grounded: Grounded = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    max_tokens: MaxTokens = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Answer questions about documents, or do a task.

    Without -q, it starts a chat. The documents become an adapter, and the base answers with it, without the documents
    in its prompt. Images need a hypernetwork that reads images. With --task, the description of the task becomes an
    adapter too, and each question is an input of the task. Questions can also be piped in, one per line. Each question
    of -q or of a pipe is asked by itself; only a chat remembers what was said before.

    Example: lorify ask handbook.pdf notes.md -q "Who approves travel?"
    (or: lorify ask --task "Is the review positive?" -q "I loved it." --choice yes --choice no)
    """
    documents = [*(documents or []), *(more_documents or [])]
    _check_given(documents, task, questions)
    if task is None and task_hypernetwork is not None:
        raise RequestError("--task-hypernetwork is for the adapter of a task; give --task or leave it out")
    check_combination(
        choices=choices,
        schema=schema is not None,
        sources=sources,
        all_sources=all_sources,
        not_stated=not_stated,
        grounded=grounded,
        has_documents=bool(documents),
    )
    questions = read_questions(questions, required=compare or as_json or bool(choices))
    json_schema = read_schema(schema)
    choices = check_given_choices(
        choices, questions, compare=compare, schema=schema is not None, sources=sources, all_sources=all_sources
    )
    contexts = read_contexts(documents)
    text = _prompt_text(contexts, task) if compare else None
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    adapters, timings = _make_adapters(model, contexts, task)
    stack = model.combine([(adapter, 1.0) for adapter in adapters])
    if json_schema is not None:
        not_stated = ""  # the reply would not match the schema
    style = AnswerStyle(generation_options(max_tokens, json_schema), sources, all_sources, not_stated, grounded)
    if not questions:
        chat_with(model, stack, style)
    elif choices:
        results = choose_answers(model, stack, questions, choices, as_json=as_json)
        if as_json:
            print_json({**timings, "answers": results})
    elif compare or as_json:
        results = [answer_json(model, stack, question, style, document=text) for question in questions]
        if as_json:
            print_json({**timings, "answers": results})
        else:
            print_comparison(results, sources=sources or all_sources)
    else:
        stream_answers(model, stack, questions, style)


def _check_given(documents: list[str], task: str | None, questions: list[str] | None) -> None:
    if not documents and task is None:
        raise ContextError("there is no document and no task; give a document, or a task with --task")
    if not questions and "-" in documents:
        raise ContextError("standard input holds a document, so it cannot hold questions too; give them with -q")


def _prompt_text(contexts: list[Context], task: str | None) -> str:
    """The documents and the task as they stand in the prompt of the baseline.

    Raises:
        ContextError: if a context is an image.
    """
    from lorify.contexts.images import as_text

    documents = [as_text(context, "--compare, which puts the documents into the prompt,") for context in contexts]
    return "\n\n".join([*(document.text for document in documents), *([task] if task else [])])


def _make_adapters(
    model: Lorify, documents: list[Context], task: str | None
) -> tuple[list[Adapter], dict[str, object]]:
    """The adapters of the documents and of the task, with what `--json` reports about them."""
    adapters: list[Adapter] = []
    report: dict[str, object] = {}
    if documents:
        started = time.perf_counter()
        adapter = internalize_documents(model, documents)
        seconds = time.perf_counter() - started
        records = adapter.provenance.documents
        stderr().print(f"internalized {sum(record.num_tokens for record in records)} tokens in {duration(seconds)}")
        report = {"documents": [record.model_dump() for record in records], "internalize_seconds": round(seconds, 3)}
        adapters.append(adapter)
    if task is not None:
        adapter, seconds = specialize_timed(model, task)
        stderr().print(f"specialized in {duration(seconds)}")
        report |= {"task": task, "specialize_seconds": round(seconds, 3)}
        adapters.append(adapter)
    return adapters, report


def print_comparison(results: list[dict[str, Any]], *, sources: bool) -> None:
    """Print the answers of `--compare`.

    Args:
        results: from `answer_json`.
        sources: also print where the adapter's answer was taken from.
    """
    for result in results:
        print_line(f"\n{result['question']}")
        sides = {
            "adapter" if result["adapter_on"] else "adapter (kept off)": result,
            "base alone": result["base_alone"],
            "document in prompt": result["document_in_prompt"],
        }
        for name, side in sides.items():
            if side is None:
                print_line(f"  {name:<18} (longer than the base's window)")
            else:
                answer = side["reason"] if side["answer"] is None else side["answer"]
                print_line(f"  {name:<18} {duration(side['seconds']):>8}  {' '.join(answer.split())}")
            if side is result and sources:
                _print_sources(result)


def _print_sources(result: dict[str, Any]) -> None:
    """Print the source of the adapter's answer, or the answer of each document with its sources."""
    indent = " " * 31
    for each in result.get("by_document") or [result]:
        if each is not result:
            print_line(f"{indent}{' '.join(each['answer'].split())}")
        for source in each["sources"]:
            print_line(f"{indent}{source_line(source['document'], source['sentence'])}")
