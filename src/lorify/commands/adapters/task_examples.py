"""Examples of a task on the command line: which to learn, which to check, and the result of the check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorify.commands.terminal import show_spinner, stderr
from lorify.errors import ContextError

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.facade import Lorify
    from lorify.hypernets.task_refinement.task_examples import TaskExample


def split_examples(
    given: list[str], path: Path | None, *, refine: bool, check: bool
) -> tuple[list[TaskExample], list[TaskExample]]:
    """Read the examples of a task; return those that the adapter learns and those to check it with.

    Args:
        given: examples in the form `INPUT => OUTPUT`.
        path: file of further examples.
        refine: whether the adapter is trained further on examples.
        check: whether it is checked, with every second example, which it does not learn.

    Raises:
        ContextError: if they cannot be read, contradict each other or are too few.
    """
    if not given and path is None and not refine and not check:
        return [], []
    from lorify.hypernets.task_refinement.task_examples import divide_examples, parse_example, read_examples

    examples = [parse_example(text) for text in given] + ([] if path is None else read_examples(path))
    learned, checked = divide_examples(examples, check=check)
    needed = 2 if check else 1
    if (found := len(learned) + len(checked)) < needed:
        raise ContextError(
            f"the number of examples is {found}, expected at least {needed}; give more with --example 'INPUT => "
            "OUTPUT' or --examples FILE"
        )
    return learned, checked


def check_examples_of(
    model: Lorify, adapter: Adapter, description: str, examples: list[TaskExample], *, as_json: bool
) -> dict[str, Any]:
    """Check the adapter of a task on examples; return the result as JSON, and print it unless it is for JSON."""
    from lorify.answering.checks.task_check import check_task

    with show_spinner("checking"):
        pairs = [(example.input, example.output) for example in examples]
        found = check_task(model.answerer, adapter, description.strip(), pairs)
    if not as_json:
        noun = "example" if found.questions == 1 else "examples"
        shown = "" if found.examples is None else f", {found.examples:.0%} with examples in the prompt"
        stderr().print(
            f"right on {found.adapter:.0%} of {found.questions} {noun}; {found.description:.0%} with the description "
            f"in the prompt{shown}"
        )
        for given, answer, text in found.wrong:
            stderr().print(f"  wrong: {given!r}: expected {answer!r}, got {text!r}", markup=False)
    return {
        "questions": found.questions,
        "adapter": found.adapter,
        "description_in_prompt": found.description,
        "examples_in_prompt": found.examples,
        "wrong": [{"input": given, "expected": answer, "answer": text} for given, answer, text in found.wrong],
    }
