"""Tasks that recognize the categories of nouns."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.families.fixed.yes_no import yes_no_task
from lorify.data.tasks.spec import DrawTestInput, TaskSpec


def kinds_tasks() -> list[TaskSpec]:
    """Build tasks that name the category of a noun."""
    every = tuple(words.CATEGORIES)
    rows: list[tuple[str, tuple[str, ...], Callable[[str], str], str]] = [
        ("plain", every, str, ""),
        ("upper", every, str.upper, " in capital letters"),
        ("is_a", every, lambda kind: f"It is a kind of {kind}.", ' in a sentence "It is a kind of ..."'),
        ("animal_tool", ("animal", "tool"), str, ""),
        ("fruit_vegetable", ("fruit", "vegetable"), str, ""),
        ("furniture_vehicle", ("furniture", "vehicle"), str, ""),
        ("drink_instrument", ("drink", "instrument"), str, ""),
    ]
    return [_kind_task(*row) for row in rows]


def _kind_task(name: str, kinds: tuple[str, ...], write: Callable[[str], str], form: str) -> TaskSpec:
    options, alternatives = ", ".join(kinds), " or ".join(kinds)

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        kind = rng.choice(kinds)
        return rng.choice(words.CATEGORIES[kind]), write(kind)

    return TaskSpec(
        f"kinds_{name}",
        "kinds",
        draw_instance,
        (
            f"{{Say|Tell|Name}} what kind of thing the word is{form}: {options}.",
            f"To {{which category|what class}} belongs the word, {alternatives}? Answer{form or ' with it'}.",
            f"{{What|Which}} kind of thing is it{form}: {options}?",
            f"{{Choose|Pick}} the kind of thing from {options} and {{write|say}} it{form}.",
            f"{{We need|I want}} the kind of thing{form}, {{which is|one of}} {options}.",
            f"{{Is it|Would you say}} {alternatives}? {{Write|Say}} it{form}.",
            f"{{Read|Look at}} the word and {{name|tell}} its kind{form}, {options}.",
            f"{{Classify|Sort}} the {{thing|word|noun}} as {options}{form}.",
        ),
        tuple(write(kind) for kind in kinds),
    )


def kind_questions_tasks() -> list[TaskSpec]:
    """Build tasks that say whether a noun belongs to a category."""
    return [_kind_question_task(kind) for kind in words.CATEGORIES]


def _kind_question_task(kind: str) -> TaskSpec:
    return yes_no_task(
        "kind questions",
        kind,
        _test_of_kind(kind),
        (
            f"the {{word|thing}} is a kind of {kind}",
            f"the word names a kind of {kind}",
            f"Would you call it a kind of {kind}?",
        ),
        (
            f"{{Is it true that|Is it so that}} this is a kind of {kind}? {{Yes or no.|Say yes or no.}}",
            f"{{We ask|The question is}} {{whether|if}} the word means a kind of {kind}: {{yes or no|no or yes}}.",
            f"{{Yes or no|No or yes}}: is the word a kind of {kind}?",
            f"{{Say|Reply}} no unless the word is a kind of {kind}; {{then|in that case}} say yes.",
            f"{{Does it belong to|Is it one of}} the things called {kind}? {{yes|Yes}} or no.",
        ),
    )


def _test_of_kind(kind: str) -> DrawTestInput:
    others = [name for name in words.CATEGORIES if name != kind]
    return lambda rng, passes: rng.choice(words.CATEGORIES[kind if passes else rng.choice(others)])
