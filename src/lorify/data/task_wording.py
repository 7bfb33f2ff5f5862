"""Wordings of generated tasks: templates with alternatives become many descriptions, some kept for measuring."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.task_words import make_list, make_sentence

Make = Callable[[random.Random], tuple[str, str]]
"""Makes an input and its answer."""

NUM_SEEN = 12
NUM_UNSEEN = 4
"""Descriptions of a task to train on, and further ones from a template of their own."""

FRAMELESS = 0.6
"""Share of the descriptions of drawn tasks that are left alone."""

_SHORTHANDS = {
    "$text": "{the text|the sentence|the input|what you are given|the words you get}",
    "$write": "{Write|Give|Return|Output|Reply with|Answer with}",
    "$copy": "{Repeat|Copy|Write out|Give back|Return}",
    "$decide": "{Decide|Say|Tell|Determine|Judge}",
    "$find": "{Find|Extract|Pick out|Give|Return}",
    "$list": "{the list|the words|the items|the series}",
    "$only": "{only|just|nothing but}",
}
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class TaskSpec:
    """A generated task.

    Attributes:
        name: unique name.
        family: tasks of one family are alike.
        make: makes an instance.
        templates: wordings; the last one is kept for unseen descriptions.
        choices: all possible answers, if they are few.
    """

    name: str
    family: str
    make: Make
    templates: tuple[str, ...]
    choices: tuple[str, ...] = ()


def on_sentence(change: Callable[[str], str]) -> Make:
    """Makes a sentence, and what becomes of it."""

    def make(rng: random.Random) -> tuple[str, str]:
        text = make_sentence(rng)
        return text, change(text)

    return make


def on_list(change: Callable[[list[str]], str], low: int = 3, high: int = 5) -> Make:
    """Makes a list of `low` to `high` words, and what becomes of it."""

    def make(rng: random.Random) -> tuple[str, str]:
        items = make_list(rng, low, high)
        return ", ".join(items), change(items)

    return make


def describe(spec: TaskSpec) -> tuple[str, ...]:
    """Descriptions of a task: `NUM_SEEN` in turn from all templates but the last, then `NUM_UNSEEN` from the last."""
    rng = random.Random(f"descriptions/{spec.name}")
    *seen, unseen = (_shuffled(expand(template), rng) for template in spec.templates)
    in_turn = [text for row in itertools.zip_longest(*seen) for text in row if text is not None]
    return tuple(dict.fromkeys(in_turn))[:NUM_SEEN] + tuple(unseen[:NUM_UNSEEN])


_FRAMES = (
    "Task: {}", "Your task: {}", "Instruction: {}", "Please note: {}", "For every input: {}", "What to do: {}",
    "Here is what to do. {}", "This is the job: {}", "Rule: {}", "We ask you this: {}", "An input follows. {}",
    "{} Thank you.", "{} Do so every time.", "{} No explanation.", "{} Do nothing else.", "{} That is all.",
    "{} Go ahead.", "{} Be exact.", "{} Do not comment.", "Follow this: {} Thanks.",
)  # fmt: skip


def framed(text: str, rng: random.Random) -> str:
    """A description as it is, or inside of what people say around one."""
    return text if rng.random() < FRAMELESS else rng.choice(_FRAMES).replace("{}", text)


def capitalized(text: str) -> str:
    """A text with its first letter big and all else as it is."""
    return text[0].upper() + text[1:]


def expand(template: str) -> list[str]:
    """All texts of a template with `{one|another}` alternatives and shorthands such as `$write`."""
    for shorthand, alternatives in _SHORTHANDS.items():
        template = template.replace(shorthand, alternatives)
    pieces = _ALTERNATIVES.split(template)  # literal, alternatives, literal, ...
    options: Sequence[list[str]] = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return [" ".join("".join(choice).split()) for choice in itertools.product(*options)]


def _shuffled(texts: list[str], rng: random.Random) -> list[str]:
    return rng.sample(texts, len(texts))
