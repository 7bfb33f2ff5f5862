"""Drawn tasks that put marks or phrases around a sentence."""

from __future__ import annotations

import random

from lorify.data.tasks.families.drawn.mark_names import draw_named, draw_sign, pairs, plural, signs
from lorify.data.tasks.families.drawn.phrases import draw_phrase
from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first

_KINDS = ("a sign", "a sign", "a pair", "a pair and a sign", "words", "two signs")


def draw_wrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that encloses a sentence in signs, pairs of marks or words."""
    kind = rng.choice(_KINDS)
    left, right, description = _DRAW_MARKS[kind](rng)
    shown = rng.choice(("text", "this", "words", "abc"))
    return TaskSpec(
        f"drawn_wrapping_{number}",
        f"drawn wrapping: {kind}",
        on_sentence(lambda text: f"{left}{text}{right}"),
        _templates(description, f"{left}{shown}{right}", shown),
    )


def _draw_one_sign(rng: random.Random) -> tuple[str, str, str]:
    mark, name = draw_sign(rng)
    description = f"{name} on both sides"
    if rng.random() < 0.7:
        mark, name = draw_named(rng, signs())
        description = plural(name) + rng.choice(("", "", " on both sides", " around it"))
    return mark, mark, description


def _draw_words(rng: random.Random) -> tuple[str, str, str]:
    first, last = draw_phrase(rng), draw_phrase(rng)
    return f"{first} ", f" {last}", f'"{first}" before and "{last}" after it'


def _draw_two_signs(rng: random.Random) -> tuple[str, str, str]:
    (left, left_name), (right, right_name) = draw_sign(rng), draw_sign(rng)
    return left, right, f"{left_name} before and {right_name} after it"


def _draw_pair(rng: random.Random) -> tuple[str, str, str]:
    (left, right), name = draw_named(rng, pairs())
    return left, right, name


def _draw_pair_and_sign(rng: random.Random) -> tuple[str, str, str]:
    (left, right), pair_name = draw_named(rng, pairs())
    sign, name = draw_sign(rng)
    return rng.choice(
        (
            (sign + left, right + sign, f"{pair_name}, and {name} outside of them"),
            (left + sign, sign + right, f"{pair_name}, and {name} inside of them"),
        )
    )


_DRAW_MARKS = {
    "a sign": _draw_one_sign,
    "a pair": _draw_pair,
    "a pair and a sign": _draw_pair_and_sign,
    "words": _draw_words,
    "two signs": _draw_two_signs,
}
"""Draws the left mark, the right mark and their description."""


def _templates(description: str, example: str, shown: str) -> tuple[str, ...]:
    return (
        f"{{Write|Give|Repeat|Copy|Return}} $text with {description}.",
        f"{{Put|Set|Enclose|Wrap|Place}} $text {{like this|as in}}: {example}",
        f"{{Surround|Frame}} $text{{ and change nothing else|}}: {description}.",
        f"$copy $text {{in|within|inside}} {description}.",
        f"{{Surround|Enclose|Wrap}} $text {{by|in|with}} {description} and {{leave|keep}} all else.",
        f"{capitalize_first(description)}, {{please|and nothing else}}: that is how $text should look.",
        f"{{You get|There comes}} a text. {{Say it again|Send it back}} with {description}.",
        f"{{Add|We need}} {description}, around $text.",
        f"{{How would|Show how}} $text {{look|appear}} {{as|written as}} {example}?",
        f"Whatever {{comes|you read}}, {{return|show}} {example}, where {shown} {{is|means}} it.",
        f"{{The answer is|What is wanted is}} $text, with {description}.",
    )
