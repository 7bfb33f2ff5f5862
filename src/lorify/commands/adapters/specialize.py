"""`lorify specialize`: the description of a task becomes an adapter folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.adapters.task_examples import check_examples_of, split_examples
from lorify.commands.options import (
    MAX_SECONDS,
    AdapterOutput,
    Base,
    Json,
    TaskHypernetwork,
    check_adapter_output,
    check_encoding,
    load_model,
    save_new_adapter,
)
from lorify.commands.terminal import duration, print_json, print_line, show_spinner, stderr

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.facade import Lorify
    from lorify.hypernets.task_refinement.task_examples import TaskExample


Example = Annotated[
    list[str] | None,
    typer.Option(
        "--example",
        metavar="'INPUT => OUTPUT'",
        callback=check_encoding,
        help="Example of the task, fitted into the adapter; may be given several times.",
    ),
]
ExamplesFile = Annotated[
    Path | None, typer.Option("--examples", metavar="FILE", help="JSON lines of examples, with input and output.")
]
Refine = Annotated[
    float | None,
    typer.Option(
        "--refine", min=0.1, max=MAX_SECONDS, metavar="SECONDS", help="Train the adapter on the examples for this long."
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Learn only every second example, and check the adapter on the others.")
]


def specialize(
    description: Annotated[
        str,
        typer.Argument(
            metavar="DESCRIPTION", callback=check_encoding, help="Description of the task; - is standard input."
        ),
    ],
    output: AdapterOutput,
    example: Example = None,
    examples: ExamplesFile = None,
    refine: Refine = None,
    check: Check = False,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Turn a task description into an adapter folder.

    With the adapter on, the base does the task on each input, without the description in its prompt. Examples are
    fitted into the adapter, which takes seconds and does not make the prompt longer. With --refine, the adapter
    is trained further on them by gradient descent. With --check, it learns every second example only. It then answers
    the inputs of the others, and the share of right answers is shown beside that of the description in the prompt and
    of three examples in the prompt. Without examples, an estimate of whether the adapter follows the description is
    shown.

    Example: lorify specialize "Give the opposite of the word." -o opposites
    (after: lorify chat --adapter opposites -q "hot")
    """
    check_adapter_output(output)
    text = sys.stdin.read() if description == "-" else description
    learned, checked = split_examples(example or [], examples, refine=refine is not None, check=check)
    model = load_model(base, task_hypernetwork=task_hypernetwork)
    adapter, seconds = specialize_timed(model, text, learned)
    adapter = model.estimate(adapter, text)
    result: dict[str, Any] = {"specialize_seconds": round(seconds, 3), "description": text.strip()}
    follows = adapter.provenance.follows
    if not as_json:
        estimated = "" if follows is None else f"; follows the description with a probability of {follows:.0%}"
        stderr().print(f"specialized in {duration(seconds)}{estimated}")
    if refine is not None:
        with show_spinner(f"refining for {duration(refine)}"):
            adapter = model.refine_task(adapter, learned, seconds=refine)
        result["refined_seconds"] = adapter.provenance.refined_seconds
    save_new_adapter(adapter, output)
    if check:
        result["check"] = check_examples_of(model, adapter, text, checked, as_json=as_json)
    result["follows"] = follows
    result["warnings"] = _warnings_about(model, text, [*learned, *checked], follows)
    for note in result["warnings"]:
        stderr().print(f"warning: {note}", markup=False, style="yellow")
    if as_json:
        print_json({"adapter": str(output), **result})
    else:
        print_line(str(output))


def _warnings_about(
    model: Lorify, description: str, examples: Sequence[TaskExample], follows: float | None
) -> list[str]:
    """What may keep an adapter from doing its task."""
    from lorify.contexts.descriptions.notes import task_notes

    notes = task_notes(description, [(example.input, example.output) for example in dict.fromkeys(examples)])
    estimate = model.description_model
    doubt = None if estimate is None else estimate.note(follows, "give examples with --example")
    return notes if doubt is None else [*notes, doubt]


def specialize_timed(model: Lorify, description: str, examples: Sequence[TaskExample] = ()) -> tuple[Adapter, float]:
    """Return the adapter of a description and examples.

    Args:
        model: the loaded model.
        description: description of the task.
        examples: examples to fit.

    Returns:
        The adapter, and the seconds it took without the time to load the encoder.
    """
    load_task_hypernetwork(model)
    with _description_warnings():
        started = time.perf_counter()
        adapter = model.specialize(description, examples)
    return adapter, time.perf_counter() - started


def load_task_hypernetwork(model: Lorify) -> None:
    """Load the task hypernetwork and its description encoder, so that their errors are raised now."""
    with _description_warnings(), show_spinner("loading the description encoder"):
        _ = model.specializer


@contextmanager
def _description_warnings() -> Iterator[None]:
    """Print warnings about a description or its encoder; hide all others."""
    import warnings

    from lorify.contexts.descriptions.text import DescriptionWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DescriptionWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, DescriptionWarning):
            stderr().print(f"warning: {warning.message}", markup=False, style="yellow")
