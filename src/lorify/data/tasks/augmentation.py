"""More descriptions of a task: written by a language model behind an OpenAI-compatible endpoint, or from templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lorify.data.tasks.schema import Task, split_instances
from lorify.errors import EvaluationError

Ask = Callable[[str], str]
"""Sends a prompt to a language model and gives its answer."""

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
SHOWN_INSTANCES = 3
MOST_CHARS = 400
MOST_ASKS = 4
_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d+[.):])\s*")


def frame_descriptions(task: Task, count: int) -> Task:
    """The task with up to `count` descriptions: its own, then its definition in frames such as `Your task: ...`."""
    framed = [frame.format(task.definition.strip()) for frame in FRAMES]
    return replace(task, descriptions=tuple(dict.fromkeys([*task.descriptions, *framed]))[:count])


def write_descriptions(task: Task, count: int, ask: Ask) -> Task:
    """The task with `count` descriptions: its own, then those that a language model writes.

    Args:
        task: the task; the model is shown its definition and some training instances.
        count: descriptions wanted.
        ask: sends a prompt to the model.

    Raises:
        EvaluationError: if the model writes too few that can be used.
    """
    found = dict.fromkeys(task.descriptions)
    for _ in range(MOST_ASKS):
        if len(found) >= count:
            break
        found |= dict.fromkeys(parse_descriptions(ask(_prompt(task, count - len(found)))))
    if len(found) < count:
        raise EvaluationError(
            f"the model wrote {len(found)} usable descriptions of task {task.name}, expected {count}; choose a larger "
            "model, or ask for fewer"
        )
    return replace(task, descriptions=tuple(found)[:count])


def parse_descriptions(answer: str) -> list[str]:
    """Descriptions from a model's answer, one a line: bullets, numbers and quotation marks go, and so do headings."""
    lines = (_BULLET.sub("", line).strip().strip('"').strip() for line in answer.splitlines())
    return [line for line in lines if len(line.split()) >= 3 and len(line) <= MOST_CHARS and not line.endswith(":")]


def _prompt(task: Task, count: int) -> str:
    shown = split_instances(task)[0][:SHOWN_INSTANCES]
    examples = "\n\n".join(f"Input: {i.input}\nAnswer: {i.outputs[0]}" for i in shown)
    return (
        f"This is a task for a language model.\n\nDefinition: {task.definition}\n\n{examples}\n\n"
        f"Describe the task in {count} different ways, one a line, each in one or two sentences. Use other words and "
        "another tone every time. Say what is to be done with an input, do not mention the examples, and write nothing "
        "but the descriptions."
    )
