"""Drawn tasks that change a sentence in two ways at once."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks.families.drawn.phrases import draw_phrase
from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first

_CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("in capital letters", str.upper),
    ("with its first letter big", capitalize_first),
    ("without its first word", lambda text: " ".join(text.split()[1:])),
    ("as it is", str),
    ("without its last word", lambda text: " ".join(text.split()[:-1])),
    ("with underscores for spaces", lambda text: text.replace(" ", "_")),
    ("with each word big at its start", lambda text: " ".join(map(capitalize_first, text.split()))),
    ("twice, with a comma between", lambda text: f"{text}, {text}"),
)


def draw_compositions_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that changes a sentence and writes a phrase before or after it."""
    form, change = rng.choice(_CHANGES)
    phrase, before = draw_phrase(rng), rng.random() < 0.5
    affix = f'"{phrase}" {"before" if before else "after"} it'
    return TaskSpec(
        f"drawn_compositions_{number}", "drawn compositions",
        on_sentence(lambda text: f"{phrase} {change(text)}" if before else f"{change(text)} {phrase}"),
        (
            f"$write $text {form}, with {affix}.",
            f"{{Put|Place}} {affix}, and $text itself {form}.",
            f"$copy $text {form}{{;| and}} add {affix}.",
            f"{{I want|We need}} two things: $text {form}, and {affix}.",
            f"{affix} {{and|while}} $text is {form}: {{write|show}} that.",
            f"{{The answer has|Give an answer with}} {affix}; $text {{comes|is}} {form}.",
            f"$text {form}. {{Also|Then}} {affix}.",
            f"{{Do both|Two steps}}: $text {form}; {affix}.",
            f"{{First|Please}} change $text so that it is {form}, {{then|and}} put {affix}.",
        ),
    )  # fmt: skip
