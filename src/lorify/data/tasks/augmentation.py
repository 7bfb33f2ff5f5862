"""Add descriptions to a task: written by a language model, or the definition in frames such as `Your task: ...`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lorify.data.tasks.schema import Task, split_instances
from lorify.errors import EvaluationError

Ask = Callable[[str], str]
"""Sends a prompt to a language model and returns its answer."""

FRAMES = (
    "{}",
    "Your task: {}",
    "You are given an input. {}",
    "Do the following with the text you get. {}",
    "{} Reply with the answer alone.",
    "Please read the input and act on it. {}",
    "Here is what to do: {}",
    "{} Give no explanation.",
    "What is wanted: {}",
    "For every input, follow this instruction. {}",
    "{} Keep to what was asked.",
    "Instruction: {}",
)
NUM_EXAMPLES = 3
MAX_DESCRIPTION_CHARS = 400
MAX_REQUESTS = 4
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d+[.):])\s*")


def frame_descriptions(task: Task, count: int) -> Task:
    """Return the task with up to `count` descriptions: its own, then its definition in frames."""
    framed = [frame.format(task.definition.strip()) for frame in FRAMES]
    return replace(task, descriptions=tuple(dict.fromkeys([*task.descriptions, *framed]))[:count])


def write_descriptions(task: Task, count: int, ask: Ask) -> Task:
    """Return the task with `count` descriptions: its own, then new ones written by a language model.

    Args:
        task: the task; the model is shown its definition and some training instances.
        count: number of descriptions.
        ask: sends a prompt to the model.

    Raises:
        EvaluationError: if the model writes too few usable descriptions.
    """
    found = dict.fromkeys(task.descriptions)
    for _ in range(MAX_REQUESTS):
        if len(found) >= count:
            break
        found |= dict.fromkeys(parse_descriptions(ask(_build_prompt(task, count - len(found)))))
    if len(found) < count:
        raise EvaluationError(
            f"the model wrote {len(found)} usable descriptions of task {task.name}, expected {count}; choose a larger "
            "model, or ask for fewer"
        )
    return replace(task, descriptions=tuple(found)[:count])


def parse_descriptions(answer: str) -> list[str]:
    """Extract one description per line of a model's answer, without bullets, numbers, quotation marks or headings."""
    lines = (_BULLET.sub("", line).strip().strip('"').strip() for line in answer.splitlines())
    return [
        line
        for line in lines
        if len(line.split()) >= 3 and len(line) <= MAX_DESCRIPTION_CHARS and not line.endswith(":")
    ]


def _build_prompt(task: Task, count: int) -> str:
    examples = split_instances(task)[0][:NUM_EXAMPLES]
    example_text = "\n\n".join(f"Input: {i.input}\nAnswer: {i.outputs[0]}" for i in examples)
    return (
        f"This is a task for a language model.\n\nDefinition: {task.definition}\n\n{example_text}\n\n"
        f"Describe the task in {count} different ways, one a line, each in one or two sentences. Use other words and "
        "another tone every time. Say what is to be done with an input, do not mention the examples, and write nothing "
        "but the descriptions."
    )
