"""Expand templates with alternatives into many descriptions of a task."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from typing import TypeVar

from lorify.data.tasks.spec import TaskSpec

T = TypeVar("T")

NUM_SEEN = 12
NUM_UNSEEN = 4
"""Number of a task's descriptions for training, and for evaluation, which come from a separate template."""

UNFRAMED_SHARE = 0.6
"""Fraction of the descriptions that `add_frame` leaves unchanged."""

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
_FRAMES = (
    "Task: {}",
    "Your task: {}",
    "Instruction: {}",
    "Please note: {}",
    "For every input: {}",
    "What to do: {}",
    "Here is what to do. {}",
    "This is the job: {}",
    "Rule: {}",
    "We ask you this: {}",
    "An input follows. {}",
    "{} Thank you.",
    "{} Do so every time.",
    "{} No explanation.",
    "{} Do nothing else.",
    "{} That is all.",
    "{} Go ahead.",
    "{} Be exact.",
    "{} Do not comment.",
    "Follow this: {} Thanks.",
)


def expand(template: str) -> list[str]:
    """List all texts of a template with `{one|another}` alternatives and shorthands such as `$write`."""
    for shorthand, alternatives in _SHORTHANDS.items():
        template = template.replace(shorthand, alternatives)
    pieces = _ALTERNATIVES.split(template)  # literal, alternatives, literal, ...
    options: Sequence[list[str]] = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    return [" ".join("".join(choice).split()) for choice in itertools.product(*options)]


def draw_descriptions(spec: TaskSpec) -> tuple[str, ...]:
    """Draw the descriptions of a task; a task always gets the same ones.

    Returns:
        `NUM_SEEN` descriptions from all templates but the last, starting with the first template, then `NUM_UNSEEN`
        from the last template.
    """
    rng = random.Random(f"descriptions/{spec.name}")
    first, *others, unseen = (_shuffled(expand(template), rng) for template in spec.templates)
    seen = [first, *_shuffled(others, random.Random(f"templates/{spec.name}"))]
    in_turn = [text for row in itertools.zip_longest(*seen) for text in row if text is not None]
    return tuple(dict.fromkeys(in_turn))[:NUM_SEEN] + tuple(unseen[:NUM_UNSEEN])


def add_frame(text: str, rng: random.Random) -> str:
    """Put a description into a random frame such as `Your task: ...`, or leave it unchanged."""
    return text if rng.random() < UNFRAMED_SHARE else rng.choice(_FRAMES).replace("{}", text)


def _shuffled(items: Sequence[T], rng: random.Random) -> list[T]:
    return rng.sample(items, len(items))
