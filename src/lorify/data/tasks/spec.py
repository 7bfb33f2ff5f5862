"""Generated tasks before their instances and descriptions are drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.tasks.words import draw_list, draw_sentence
from lorify.data.text import capitalize_first

DrawInstance = Callable[[random.Random], tuple[str, str]]
"""Draws an input and its answer."""

DrawTestInput = Callable[[random.Random, bool], str]
"""Draws an input that passes a test (True) or fails it (False)."""


@dataclass(frozen=True)
class TaskSpec:
    """A generated task.

    Attributes:
        name: unique name; it seeds the draws, so renaming a task changes its instances and descriptions.
        family: name of its family; tasks of one family are similar.
        draw_instance: draws an instance.
        templates: templates of descriptions; the last one is reserved for unseen descriptions.
        choices: all possible answers, if they are few.
    """

    name: str
    family: str
    draw_instance: DrawInstance
    templates: tuple[str, ...]
    choices: tuple[str, ...] = ()


def on_sentence(change: Callable[[str], str]) -> DrawInstance:
    """Build instances of a random sentence and the changed sentence."""

    def draw(rng: random.Random) -> tuple[str, str]:
        text = draw_sentence(rng)
        return text, change(text)

    return draw


def on_list(change: Callable[[list[str]], str], low: int = 3, high: int = 5) -> DrawInstance:
    """Build instances of a list of `low` to `high` random words and the result of `change` for it.

    Args:
        change: writes the answer from the words.
        low: smallest number of words.
        high: largest number of words.
    """

    def draw(rng: random.Random) -> tuple[str, str]:
        items = draw_list(rng, low, high)
        return ", ".join(items), change(items)

    return draw


def on_test(draw_input: DrawTestInput, passed: str, failed: str) -> DrawInstance:
    """Build instances of an input that passes or fails a test with equal probability, and the matching answer.

    Args:
        draw_input: draws an input that passes or fails.
        passed: answer to an input that passes.
        failed: answer to an input that fails.
    """

    def draw(rng: random.Random) -> tuple[str, str]:
        passes = rng.random() < 0.5
        return draw_input(rng, passes), passed if passes else failed

    return draw


def noun_phrase_templates(phrase: str) -> tuple[str, ...]:
    """Build templates that request the thing named by a noun phrase."""
    return (
        f"{{We need|I want|We are looking for}} {phrase}.",
        f"{capitalize_first(phrase)}, {{please|nothing else|that is all}}.",
        f"{{The answer is|What you say is|You say}} {phrase}.",
        f"{{Read|Look at}} {{the input|what comes}} and {{say|write|tell}} {phrase}.",
        f"{{Do you know|Can you tell|Would you find}} {phrase}?",
        f"{{Whatever comes|Each time}}, {{answer|reply}} with {phrase}.",
    )


def form_templates(subject: str, form: str) -> tuple[str, ...]:
    """Build templates that request a subject in another form: `in capital letters`, `as a question`."""
    return (
        f"{{We need|I want}} {subject} {form}.",
        f"{{The answer is|You say}} {subject}, {{but|only}} {form}.",
        f"{subject} {form}, {{please|nothing else}}.",
        f"{{How does|Show how}} {subject} look {form}{{?|}}",
        f"{{What you get|The input|It}} {{should be|has to be}} {form}.",
        f"{{Bring|Put}} {subject} in another form: {form}.",
    )


def one_of(names: Sequence[str]) -> str:
    """Join names as `a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"
