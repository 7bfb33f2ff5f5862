"""`lorify specialize`: the description of a task becomes an adapter folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Base, Json, Output, TaskHypernetwork, check_adapter_output, load_model
from lorify.commands.terminal import duration, print_json, print_line, show_spinner, stderr

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.facade import Lorify


def specialize(
    description: Annotated[
        str, typer.Argument(metavar="DESCRIPTION", help="Description of the task; - is standard input.")
    ],
    output: Output,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Turn a task description into an adapter folder.

    With the adapter on, the base does the task on each input, without the description in its prompt.

    Example: lorify specialize "Give the opposite of the word." -o opposites
    (after: lorify chat --adapter opposites -q "hot")
    """
    check_adapter_output(output)
    text = sys.stdin.read() if description == "-" else description
    model = load_model(base, task_hypernetwork=task_hypernetwork)
    adapter, seconds = specialize_timed(model, text)
    model.save(adapter, output)
    if as_json:
        print_json({"adapter": str(output), "specialize_seconds": round(seconds, 3), "description": text.strip()})
    else:
        stderr().print(f"specialized in {duration(seconds)}")
        print_line(str(output))


def specialize_timed(model: Lorify, description: str) -> tuple[Adapter, float]:
    """Return the adapter of a description and the seconds it took, not counting the time to load the encoder."""
    load_tasks(model)
    with _description_warnings():
        started = time.perf_counter()
        adapter = model.specialize(description)
    return adapter, time.perf_counter() - started


def load_tasks(model: Lorify) -> None:
    """Load the task hypernetwork and its description encoder, so that their errors are raised now."""
    with _description_warnings(), show_spinner("loading the description encoder"):
        _ = model.specializer


@contextmanager
def _description_warnings() -> Iterator[None]:
    """Print warnings about a description or its encoder; hide all others."""
    import warnings

    from lorify.contexts.description_text import DescriptionWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DescriptionWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, DescriptionWarning):
            stderr().print(f"warning: {warning.message}", markup=False, style="yellow")
