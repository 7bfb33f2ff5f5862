"""`ask`, `internalize` and `chat`: documents in, answers out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.confidence import warn_if_doubtful
from lorify.commands.options import (
    DOCUMENTS_HELP,
    MAX_TOKENS,
    Base,
    Documents,
    Hypernetwork,
    Json,
    MaxTokens,
    Output,
    Questions,
    TaskHypernetwork,
    check_adapter_output,
    check_questions,
    internalize_documents,
    load_model,
    parse_scaled,
    read_contexts,
)
from lorify.commands.specialize import specialize_timed
from lorify.commands.terminal import counting, duration, say_json, say_line, stderr, working, write_stream
from lorify.errors import ContextError, LorifyError

if TYPE_CHECKING:
    from lorify.adapters import Adapter, AdapterStack
    from lorify.answering.answerer import Answer
    from lorify.answering.plan import Query
    from lorify.contexts.documents import Document
    from lorify.contexts.images import Context
    from lorify.facade import Lorify

OptionalDocuments = Annotated[list[str] | None, typer.Argument(metavar="DOC", help=DOCUMENTS_HELP)]
MoreDocuments = Annotated[list[str] | None, typer.Option("--doc", metavar="DOC", help="The same as an option.")]
Task = Annotated[str | None, typer.Option("--task", metavar="DESCRIPTION", help="What to do with each question.")]
Compare = Annotated[
    bool, typer.Option("--compare", help="Show the base alone and with the documents in its prompt beside it.")
]


def ask(
    documents: OptionalDocuments = None,
    more_documents: MoreDocuments = None,
    task: Task = None,
    questions: Questions = None,
    compare: Compare = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    max_tokens: MaxTokens = MAX_TOKENS,
    as_json: Json = False,
) -> None:
    """Answer questions about documents or images, or do a task. Without -q: a chat.

    They are internalized: the base answers with the adapter, without them in its prompt; images need a hypernetwork
    that reads them. Likewise a task's
    description becomes an adapter, and each question is then an input of the task; with documents too, both adapters
    are on. Questions may also be piped in, one a line.

    Example: lorify ask handbook.pdf notes.md -q "Who approves travel?"
    (or: lorify ask --task "Repeat the sentence in capital letters." -q "the cat sleeps")
    """
    documents = [*(documents or []), *(more_documents or [])]
    if not documents and task is None:
        raise ContextError("there is no document and no task; give a document, or a task with --task")
    if not questions and "-" in documents:
        raise ContextError("standard input holds a document, so it cannot hold questions too; give them with -q")
    check_questions(questions or [])
    questions = questions or _piped_questions(needed=compare or as_json)
    read = read_contexts(documents)
    texts = _texts(read, "--compare, which puts the documents into the prompt,") if compare else []
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    active, told = _make_adapters(model, read, task)
    adapter = model.combine(active)
    if not questions:
        _chat(model, adapter, max_tokens)
    elif compare or as_json:
        text = "\n\n".join([*(document.text for document in texts), *([task] if task else [])]) if compare else None
        results = [_answer_json(model, adapter, question, text, max_tokens) for question in questions]
        if as_json:
            say_json({**told, "answers": results})
        else:
            _print_comparison(results)
    else:
        _answer_all(model, adapter, questions, max_tokens)


def _texts(contexts: list[Context], reader: str) -> list[Document]:
    """The documents, for what reads no images.

    Raises:
        ContextError: if one is an image.
    """
    from lorify.contexts.images import as_text

    return [as_text(context, reader) for context in contexts]


def _make_adapters(
    model: Lorify, documents: list[Context], task: str | None
) -> tuple[list[tuple[Adapter, float]], dict[str, object]]:
    """The adapters of documents and of a task, each with its scale, and what to tell about them."""
    adapters: list[tuple[Adapter, float]] = []
    told: dict[str, object] = {}
    if documents:
        started = time.perf_counter()
        adapter = internalize_documents(model, documents)
        seconds = time.perf_counter() - started
        records = adapter.provenance.documents
        num_tokens = sum(record.num_tokens for record in records)
        stderr().print(f"internalized {num_tokens} tokens in {duration(seconds)}")
        told = {"documents": [record.model_dump() for record in records], "internalize_seconds": round(seconds, 3)}
        adapters.append((adapter, 1.0))
    if task is not None:
        adapter, seconds = specialize_timed(model, task)
        stderr().print(f"specialized in {duration(seconds)}")
        told |= {"task": task, "specialize_seconds": round(seconds, 3)}
        adapters.append((adapter, 1.0))
    return adapters, told


def internalize(
    documents: Documents,
    output: Output,
    refine: Annotated[
        float | None,
        typer.Option("--refine", metavar="SECONDS", min=0.1, help="Train the adapter further, for so long."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask what the documents state, and say which of it the adapter holds.")
    ] = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Turn documents or images into an adapter folder; images need a hypernetwork that reads them.

    With --refine it is trained further on the documents' sentences by gradient descent; then documents can no longer
    be added to it or removed. With --check its fidelity, the share of the statements that it holds, is kept with it.

    Example: lorify internalize handbook.pdf -o handbook-adapter --check
    """
    check_adapter_output(output)
    read = read_contexts(documents)
    texts = _texts(read, "--refine" if refine is not None else "--check") if check or refine is not None else []
    model = load_model(base, hypernetwork)
    started = time.perf_counter()
    adapter = internalize_documents(model, read)
    seconds = time.perf_counter() - started
    if refine is not None:
        with working("refining"):
            adapter = model.refine(adapter, *texts, seconds=refine)
    checked: list[dict[str, Any]] = []
    if check:
        adapter, checked = _check(model, adapter, texts)
    model.save(adapter, output)
    num_tokens = sum(record.num_tokens for record in adapter.provenance.documents)
    stderr().print(f"internalized {num_tokens} tokens in {duration(seconds)}")
    if refine is not None:
        stderr().print(
            f"refined for {duration(adapter.provenance.refined_seconds or 0.0)}; documents can no longer be added to "
            "this adapter or removed"
        )
    if as_json:
        records = [record.model_dump() for record in adapter.provenance.documents]
        result = {"adapter": str(output), "internalize_seconds": round(seconds, 3), "documents": records}
        result |= {"refined_seconds": adapter.provenance.refined_seconds} if refine is not None else {}
        result |= {"fidelity": adapter.provenance.fidelity, "statements": checked} if check else {}
        say_json(result)
        return
    for item in checked:
        say_line(f"{'holds' if item['held'] else '-----'}  {item['sentence']}")
        if not item["held"]:
            say_line(f"       {item['question']} {item['answer'] or '(nothing)'}")
    if check:
        in_context = sum(item["held_in_context"] for item in checked)
        say_line(
            f"fidelity {adapter.provenance.fidelity}: {sum(item['held'] for item in checked)} of {len(checked)} "
            f"statements; with the document in the prompt {in_context}"
        )
    say_line(str(output))


def _check(model: Lorify, adapter: Adapter, documents: list[Document]) -> tuple[Adapter, list[dict[str, Any]]]:
    """The adapter with its fidelity, and how each statement was answered."""
    from lorify.answering.fidelity import check_adapter, fidelity

    with counting("checking", "statements") as advance:
        checked = check_adapter(model.answerer, adapter, documents, report=advance)
    provenance = adapter.provenance.model_copy(update={"fidelity": fidelity([item.is_held for item in checked])})
    rows = [asdict(item) | {"held": item.is_held, "held_in_context": item.is_held_in_context} for item in checked]
    return replace(adapter, provenance=provenance), rows


def chat(
    adapter: Annotated[
        list[str], typer.Option("--adapter", metavar="DIR[=SCALE]", help="Adapter folder; may be given several times.")
    ],
    questions: Questions = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    max_tokens: MaxTokens = MAX_TOKENS,
    as_json: Json = False,
) -> None:
    """Chat with adapters on. With -q: answer and leave.

    The base is the one the first adapter was made for, unless --base names another. Questions may also be piped in.

    Example: lorify chat --adapter handbook-adapter --adapter notes-adapter=0.5
    """
    from lorify.adapters.storage import load_adapter

    check_questions(questions or [])
    questions = questions or _piped_questions(needed=as_json)
    scaled = [parse_scaled(value) for value in adapter]
    base = load_adapter(scaled[0][0]).provenance.base_name if base is None else base
    model = load_model(base, hypernetwork)
    active = model.combine([(model.load_adapter(folder), scale) for folder, scale in scaled])
    if not questions:
        _chat(model, active, max_tokens)
    elif as_json:
        answers = [_answer_json(model, active, question, None, max_tokens) for question in questions]
        say_json({"answers": answers})
    else:
        _answer_all(model, active, questions, max_tokens)


def _piped_questions(*, needed: bool) -> list[str]:
    """Questions from a pipe, one a line; none if a person sits there, who may chat.

    Raises:
        LorifyError: if there is no question where one is needed, or what is piped in is no text.
    """
    if person_is_there():
        if needed:
            raise LorifyError("--compare and --json need at least one question; give it with -q")
        return []
    try:
        lines = sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise LorifyError("standard input is no text in UTF-8; give questions in that encoding, or with -q") from None
    questions = [line.strip() for line in lines if line.strip()]
    if not questions:
        raise LorifyError("there is no question; give one with -q, or one a line on standard input")
    return questions


def person_is_there() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


def _answer_all(model: Lorify, adapters: AdapterStack, questions: list[str], max_tokens: int) -> None:
    """Write the answers as they are generated."""
    from lorify.answering.plan import Query
    from lorify.base.sampling import GenerationOptions

    for question in questions:
        if len(questions) > 1:
            say_line(f"Q: {question}")
        plan = model.answerer.plan_query(Query(question, adapters))
        text = write_stream(model.answerer.stream(plan, GenerationOptions(max_tokens)))
        warn_if_doubtful(model, model.answerer.confidence(plan, text))


def _answer(model: Lorify, query: Query, max_tokens: int) -> tuple[Answer, float]:
    """Answer one question; returns the answer and the seconds it took, its confidence not counted."""
    from lorify.base.sampling import GenerationOptions

    started = time.perf_counter()
    plan = model.answerer.plan_query(query)
    (answer,) = model.answerer.answer([plan], GenerationOptions(max_tokens))
    seconds = time.perf_counter() - started
    return replace(answer, confidence=model.answerer.confidence(plan, answer.text)), seconds


def _answer_json(
    model: Lorify, adapters: AdapterStack, question: str, document: str | None, max_tokens: int
) -> dict[str, Any]:
    """The answer to one question with its time; with a document, also the answers of the two baselines."""
    from lorify.answering.plan import Query

    with working(f"answering {question}"):
        answer, seconds = _answer(model, Query(question, adapters), max_tokens)
        result = {"question": question, "adapter_on": answer.adapter_on, **_timed(answer, seconds)}
        result["probably_right"] = None if answer.confidence is None else round(answer.confidence, 3)
        warn_if_doubtful(model, answer.confidence)
        if document is not None:
            result["base_alone"] = _timed(*_answer(model, Query(question), max_tokens))
            fits = len(model.base.tokenizer(document)["input_ids"]) + max_tokens < model.base.window_tokens
            in_prompt = Query(question, document=document)
            result["document_in_prompt"] = _timed(*_answer(model, in_prompt, max_tokens)) if fits else None
    return result


def _timed(answer: Answer, seconds: float) -> dict[str, Any]:
    return {"answer": answer.text, "seconds": round(seconds, 3)}


def _print_comparison(results: list[dict]) -> None:
    for result in results:
        say_line(f"\n{result['question']}")
        sides = {
            "adapter" if result["adapter_on"] else "adapter (kept off)": result,
            "base alone": result["base_alone"],
            "document in prompt": result["document_in_prompt"],
        }
        for name, side in sides.items():
            if side is None:
                say_line(f"  {name:<18} (longer than the base's window)")
            else:
                say_line(f"  {name:<18} {duration(side['seconds']):>8}  {' '.join(side['answer'].split())}")


def _chat(model: Lorify, adapter: AdapterStack, max_tokens: int) -> None:
    """Answer a person until the input ends; the last turns that fit the base's window are remembered."""
    prompts, window = model.answerer.prompts, model.base.window_tokens
    messages: list[dict[str, str]] = []
    for question in _read_lines():
        messages.append({"role": "user", "content": question})
        while len(messages) > 2 and len(prompts.chat_ids(messages)) + max_tokens > window:
            del messages[:2]
        try:
            answer = write_stream(model.stream(messages, adapter, max_new_tokens=max_tokens))
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            del messages[-1]
            continue
        messages.append({"role": "assistant", "content": answer})


def _read_lines() -> Iterator[str]:
    """What a person types, with a prompt and line editing."""
    import readline  # noqa: F401  (gives `input` its line editing)

    stderr().print("ask away; Ctrl-C stops an answer, Ctrl-D ends")
    while True:
        try:
            line = input("> ").strip()
            line.encode()
        except EOFError:
            sys.stdout.write("\n")
            return
        except UnicodeError:
            stderr().print("that is not in UTF-8; type it again in that encoding")
            continue
        if line:
            yield line
