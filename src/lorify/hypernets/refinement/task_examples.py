"""Examples of a task, given beside its description: reading them, and training its adapter on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from lorify.adapters import Adapter
from lorify.atomic import failure_reason
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.errors import ContextError, first_problem
from lorify.hypernets.refinement.gradient_loop import distill
from lorify.hypernets.refinement.refine import BATCH_SIZE, LEARNING_RATE, as_refined
from lorify.hypernets.refinement.time_limit import TimeLimit
from lorify.hypernets.refinement.training_examples import TrainingExample, known_answer
from lorify.json_text import split_json_lines

ARROW = "=>"
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True)
class TaskExample:
    """An input of a task and the right answer."""

    input: str
    output: str


class _Line(BaseModel):
    """One line of a file of examples."""

    model_config = ConfigDict(extra="forbid")

    input: _Text
    output: _Text


def parse_example(text: str) -> TaskExample:
    """Read an example in the form `INPUT => OUTPUT`.

    Raises:
        ContextError: if the arrow is missing, or nothing is on one side of it.
    """
    given, arrow, output = (part.strip() for part in text.partition(ARROW))
    if not arrow or not given or not output:
        raise ContextError(f"example {text!r} is not in the form 'INPUT {ARROW} OUTPUT'; write both sides")
    return TaskExample(given, output)


def read_examples(path: Path) -> list[TaskExample]:
    """Read examples from JSON lines with the keys `input` and `output`.

    Raises:
        ContextError: if the file cannot be read, holds no example, or a line is not one.
    """
    try:
        lines = split_json_lines(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ContextError(
            f"examples {path} cannot be read ({failure_reason(error)}); give a file of JSON lines"
        ) from error
    except UnicodeDecodeError as error:
        raise ContextError(f"examples {path} are not UTF-8 text; save the file in that encoding") from error
    examples = [_parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not examples:
        raise ContextError(
            f"examples {path} is empty; give a line such as {json.dumps({'input': 'hot', 'output': 'cold'})}"
        )
    return examples


def check_examples(examples: Sequence[TaskExample]) -> None:
    """Refuse examples that contradict each other.

    Raises:
        ContextError: if one input has two outputs.
    """
    outputs: dict[str, str] = {}
    for example in examples:
        if outputs.setdefault(example.input, example.output) != example.output:
            raise ContextError(
                f"examples contradict each other: input {example.input!r} has the outputs "
                f"{outputs[example.input]!r} and {example.output!r}; keep one of them"
            )


def divide_examples(examples: Sequence[TaskExample], *, check: bool) -> tuple[list[TaskExample], list[TaskExample]]:
    """Divide examples into those that an adapter learns and those to check it with.

    Args:
        examples: the examples. Repetitions are dropped, since a repeated one would be learned and checked.
        check: whether every second one is kept back for the check.

    Raises:
        ContextError: if examples contradict each other.
    """
    check_examples(examples)
    distinct = list(dict.fromkeys(examples))
    return (distinct[::2], distinct[1::2]) if check else (distinct, [])


def refine_task(
    base: BaseLM,
    adapter: Adapter,
    examples: Sequence[TaskExample],
    *,
    seconds: float,
    prompts: PromptBuilder,
    cancel: CancelToken | None = None,
) -> Adapter:
    """Train the adapter of a task further on examples.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter of the description.
        examples: inputs with the right answers.
        seconds: how long; no step begins that would end later.
        prompts: builds the prompts as when the adapter is used.
        cancel: cancels it between steps.

    Returns:
        The trained adapter. Its provenance records the time.

    Raises:
        ContextError: if there is no example, they contradict each other, or one is longer than the base's window.
    """
    if not examples:
        raise ContextError("there is no example to refine with; give some with --example")
    check_examples(examples)
    limit = TimeLimit(seconds, cancel)
    prepared = [training_example(base, example, prompts) for example in examples]
    trained = distill(
        base,
        prepared,
        adapter,
        limit=limit,
        learning_rate=LEARNING_RATE,
        batch_size=min(BATCH_SIZE, len(prepared)),
        learn_A=False,
    )
    return as_refined(trained, adapter, limit.elapsed)


def _parse_line(line: str, source: str) -> TaskExample:
    try:
        parsed = _Line.model_validate_json(line)
    except ValidationError as error:
        raise ContextError(f"{source}: {first_problem(error)}; expected the keys input and output") from error
    return TaskExample(parsed.input, parsed.output)


def training_example(base: BaseLM, example: TaskExample, prompts: PromptBuilder) -> TrainingExample:
    """Prepare an input with its answer.

    Args:
        base: the base.
        example: the example.
        prompts: builds the prompt as when the adapter is used.

    Raises:
        ContextError: if both are longer than the base's window.
    """
    prompt = prompts.question_ids(example.input)
    target = [*base.encode_text(example.output), min(base.stop_ids)]
    if len(prompt) + len(target) > base.window_tokens:
        raise ContextError(
            f"example {example.input[:40]!r}... has {len(prompt) + len(target)} tokens, the base takes "
            f"{base.window_tokens}; shorten it"
        )
    return known_answer(base, example.input, prompt, target)
