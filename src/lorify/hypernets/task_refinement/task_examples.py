"""Examples of a task, given in addition to its description."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from lorify.atomic import failure_reason
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.errors import ContextError, first_problem
from lorify.hypernets.adapter_training.training_examples import TrainingExample, known_answer
from lorify.json_text import numbered_json_lines

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
        ContextError: if the arrow is missing, or one side of it is empty.
    """
    given, arrow, output = (part.strip() for part in text.partition(ARROW))
    if not arrow or not given or not output:
        raise ContextError(f"example {text!r} is not in the form 'INPUT {ARROW} OUTPUT'; write both sides")
    return TaskExample(given, output)


def read_examples(path: Path) -> list[TaskExample]:
    """Read examples from JSON lines with the keys `input` and `output`.

    Raises:
        ContextError: if the file cannot be read or has no example, or a line is not an example.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ContextError(
            f"examples {path} cannot be read ({failure_reason(error)}); give a file of JSON lines"
        ) from error
    except UnicodeDecodeError as error:
        raise ContextError(f"examples {path} are not UTF-8 text; save the file in that encoding") from error
    examples = [_parse_line(line, f"{path}, line {number}") for number, line in numbered_json_lines(lines)]
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
    """Split examples into those that an adapter learns and those that check it.

    Args:
        examples: the examples. Duplicates are dropped, since one could be both learned and checked.
        check: whether to hold out every second one for the check.

    Raises:
        ContextError: if examples contradict each other.
    """
    check_examples(examples)
    distinct = list(dict.fromkeys(examples))
    return (distinct[::2], distinct[1::2]) if check else (distinct, [])


def training_example(base: BaseLM, example: TaskExample, prompts: PromptBuilder) -> TrainingExample:
    """Make a training example from an input and its answer.

    Args:
        base: the base.
        example: the example.
        prompts: builds the prompt as when the adapter is used.

    Raises:
        ContextError: if they are longer than the base's window.
    """
    prompt = prompts.question_ids(example.input)
    target = [*base.encode_text(example.output), min(base.stop_ids)]
    if len(prompt) + len(target) > base.window_tokens:
        raise ContextError(
            f"example {example.input[:40]!r}... has {len(prompt) + len(target)} tokens, the base takes "
            f"{base.window_tokens}; shorten it"
        )
    return known_answer(base, example.input, prompt, target)


def _parse_line(line: str, source: str) -> TaskExample:
    try:
        parsed = _Line.model_validate_json(line)
    except ValidationError as error:
        raise ContextError(f"{source}: {first_problem(error)}; expected the keys input and output") from error
    return TaskExample(parsed.input, parsed.output)
