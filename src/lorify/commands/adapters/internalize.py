"""`lorify internalize`: documents become an adapter folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lorify.commands.options import (
    MAX_SECONDS,
    AdapterOutput,
    Base,
    Documents,
    Hypernetwork,
    Json,
    check_adapter_output,
    internalize_documents,
    load_model,
    read_contexts,
    save_new_adapter,
)
from lorify.commands.terminal import duration, print_json, print_line, show_progress, show_spinner, stderr
from lorify.errors import LorifyError
from lorify.hypernets.options import MAX_BIAS_SCALE, InternalizerOptions

if TYPE_CHECKING:
    from pathlib import Path

    from lorify.adapters import Adapter
    from lorify.answering.checks.fidelity import CheckedStatement
    from lorify.contexts.documents import Document
    from lorify.facade import Lorify

Refine = Annotated[
    float | None,
    typer.Option(
        "--refine",
        metavar="SECONDS",
        min=0.1,
        max=MAX_SECONDS,
        help="Train the adapter further for this long, which includes writing questions to train on.",
    ),
]
Study = Annotated[
    float | None,
    typer.Option(
        "--study",
        metavar="SECONDS",
        min=0.1,
        max=MAX_SECONDS,
        help="Improve the answers that exports give (without focus), for this long. The time includes writing and "
        "answering questions.",
    ),
]
KeepOption = Annotated[
    Literal["tokens", "index", "none"],
    typer.Option(
        "--keep",
        help="What to keep for focusing on a question: tokens (17 KB a token), index (0.3 KB a token, slower answers) "
        "or none (one adapter for all questions, as in exports).",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Ask the adapter about its documents; report what it answers.")]

BiasScale = Annotated[
    float | None,
    typer.Option(
        "--bias-scale",
        min=-MAX_BIAS_SCALE,
        max=MAX_BIAS_SCALE,
        help=InternalizerOptions.model_fields["bias_scale"].description,
    ),
]
Iterative = Annotated[
    bool | None, typer.Option("--iterative/--at-once", help=InternalizerOptions.model_fields["iterative"].description)
]


def internalize(
    documents: Documents,
    output: AdapterOutput,
    refine: Refine = None,
    study: Study = None,
    check: Check = False,
    bias_scale: BiasScale = None,
    iterative: Iterative = None,
    keep: KeepOption = "tokens",
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Turn documents or images into an adapter folder.

    Images need a hypernetwork that reads images. With --study, the adapter answers questions about its documents'
    sentences, and the answers are fitted into the weights that exports contain. With --refine, it is trained further
    by gradient descent on sentences of the documents; documents can then no longer be added to it or removed from it.
    SECONDS do not include reading the documents, making the adapter and --check. They are exceeded only if the first
    two questions take longer. With --check, the adapter's fidelity is saved with it: the share of statements in the
    documents that it answers correctly.

    Example: lorify internalize handbook.pdf -o handbook-adapter --check
    """
    from lorify.contexts.images import as_text

    if refine is not None and study is not None:
        raise LorifyError("--refine and --study exclude each other; give one")
    check_adapter_output(output)
    contexts = read_contexts(documents)
    readers = {"--refine": refine is not None, "--study": study is not None, "--check": check}
    reader = next((option for option, is_given in readers.items() if is_given), None)
    texts = [] if reader is None else [as_text(context, reader) for context in contexts]
    model = load_model(base, hypernetwork)
    options = InternalizerOptions(bias_scale=bias_scale, iterative=iterative)
    if options.chosen:
        model = model.with_options(options)
    started = time.perf_counter()
    adapter = internalize_documents(model, contexts, keep if study is None else "tokens")
    seconds = time.perf_counter() - started
    if study is not None:
        with show_spinner("studying"):
            adapter = model.internalizer.reduce(model.study(adapter, *texts, seconds=study), keep)
    if refine is not None:
        with show_spinner("refining"):
            adapter = model.refine(adapter, *texts, seconds=refine)
    checked: list[CheckedStatement] | None = None
    if check:
        adapter, checked = _check(model, adapter, texts)
    save_new_adapter(adapter, output)
    _print_times(adapter, seconds)
    if as_json:
        print_json(_as_json(adapter, output, seconds, checked))
        return
    if checked is not None:
        _print_checked(adapter, checked)
    print_line(str(output))


def _check(model: Lorify, adapter: Adapter, documents: list[Document]) -> tuple[Adapter, list[CheckedStatement]]:
    """The adapter with its fidelity, and how each statement was answered."""
    from lorify.answering.checks.fidelity import check_adapter, fidelity

    with show_progress("checking", "statements") as advance:
        checked = check_adapter(model.answerer, adapter, documents, report=advance)
    held = fidelity([item.is_held for item in checked])
    provenance = adapter.provenance.model_copy(update={"fidelity": held})
    return replace(adapter, provenance=provenance), checked


def _print_times(adapter: Adapter, seconds: float) -> None:
    num_tokens = sum(record.num_tokens for record in adapter.provenance.documents)
    stderr().print(f"internalized {num_tokens} tokens in {duration(seconds)}")
    if adapter.provenance.refined_seconds is not None:
        stderr().print(
            f"refined for {duration(adapter.provenance.refined_seconds)}; documents can no longer be added to this "
            "adapter or removed from it"
        )
    if adapter.provenance.studied_seconds is not None:
        stderr().print(
            f"studied for {duration(adapter.provenance.studied_seconds)}; exports have what it learned until documents "
            "are added or removed"
        )


def _as_json(
    adapter: Adapter, output: Path, seconds: float, checked: Sequence[CheckedStatement] | None
) -> dict[str, Any]:
    provenance = adapter.provenance
    records = [record.model_dump() for record in provenance.documents]
    result = {"adapter": str(output), "internalize_seconds": round(seconds, 3), "documents": records}
    if provenance.refined_seconds is not None:
        result["refined_seconds"] = provenance.refined_seconds
    if provenance.studied_seconds is not None:
        result["studied_seconds"] = provenance.studied_seconds
    if checked is not None:
        statements = [
            asdict(item) | {"held": item.is_held, "held_in_context": item.is_held_in_context} for item in checked
        ]
        result |= {"fidelity": provenance.fidelity, "statements": statements}
    return result


def _print_checked(adapter: Adapter, checked: Sequence[CheckedStatement]) -> None:
    for item in checked:
        print_line(f"{'holds' if item.is_held else '-----'}  {item.sentence}")
        if not item.is_held:
            print_line(f"       {item.question} {item.answer or '(nothing)'}")
    print_line(
        f"fidelity {adapter.provenance.fidelity}: {sum(item.is_held for item in checked)} of {len(checked)} "
        f"statements; with the document in the prompt {sum(item.is_held_in_context for item in checked)}"
    )
