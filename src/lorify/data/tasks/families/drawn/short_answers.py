"""Drawn tasks that give a short answer, such as a name, a date or a quantity, a form: capitals, JSON, bold Markdown."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from lorify.data.tables import load_table
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import TaskSpec

_ANSWERS = (
    "<items>",
    "<colours> <items>",
    "<cities>",
    "<first_names> <last_names>",
    "<first_names>",
    "<jobs>",
    "<1..28> <months> <1850..2030>",
    "<months> <1..28>, <1850..2030>",
    "<days>",
    "<1200..2040>",
    "<2..990>",
    "<1..980>.<1..9> <kg|km|m|litres|tonnes|hours|miles|°C>",
    "<2..900> <grams|people|euros|days|metres|seats|dollars|%>",
    "€<2..900>",
    "<subjects>",
    "<subjects> and <items>",
    "every <days>",
    "at the <first|second|third|last> <items>",
    "<letter><letter>-<100..9999>",
)
_COINED_ANSWERS = (
    "{stem}",
    "{stem}",
    "<first_names> {stem}",
    "{stem} <items:title>",
    "the {stem} <items>",
    "Captain {stem}",
    "{stem} & <last_names>",
)
_SYLLABLES = (
    (
        "ba",
        "bel",
        "cor",
        "dra",
        "el",
        "fen",
        "gal",
        "hel",
        "il",
        "jo",
        "kar",
        "lun",
        "mor",
        "nar",
        "os",
        "pra",
        "quil",
        "ro",
    ),
    ("da", "de", "go", "li", "ma", "mi", "ne", "ra", "ri", "so", "ta", "tu", "va", "vi", ""),
    ("bor", "dell", "en", "fax", "gan", "iel", "ka", "lin", "mond", "nor", "rak", "sen", "ton", "vale", "wick", "yra"),
)
COINED_SHARE = 0.3
"""Share of the answers that have coined names, whose letters a base has to copy."""
_CHANGES = re.compile("TEXT|LOWER|UPPER|TITLE|JOINED[-_]")


@dataclass(frozen=True)
class ShortAnswerForm:
    """A form of a short answer.

    Attributes:
        answer: the answer, with names of changes in capital letters for the input.
        descriptions: templates of descriptions.
        labels: what `LABEL` is drawn from, in the answer and the descriptions.
    """

    answer: str
    descriptions: tuple[str, ...]
    labels: tuple[str, ...]

    def write(self, text: str, label: str) -> str:
        """Write a text in this form."""
        changes = {"TEXT": text, "LOWER": text.lower(), "UPPER": text.upper(), "TITLE": text.title()}
        changes |= {f"JOINED{sign}": text.replace(" ", sign) for sign in "-_"}
        return _CHANGES.sub(lambda found: changes[found[0]], self.answer.replace("LABEL", label))


@cache
def short_answer_forms() -> tuple[ShortAnswerForm, ...]:
    """Return all forms."""
    return tuple(map(_parse, load_table("lorify.data.tasks.families", "short_answers")["forms"]))


def draw_short_answers_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that gives short answers a form."""
    form = rng.choice(short_answer_forms())
    label = rng.choice(form.labels)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        text = _draw_answer(draw)
        return text, form.write(text, label)

    return TaskSpec(
        f"drawn_short_answers_{number}", "drawn short answers", draw_instance, _templates(rng, form.descriptions, label)
    )


def _parse(row: dict) -> ShortAnswerForm:
    return ShortAnswerForm(row["answer"], tuple(row["descriptions"]), tuple(row.get("labels", ("",))))


def _draw_answer(rng: random.Random) -> str:
    if rng.random() >= COINED_SHARE:
        return draw_text(rng, rng.choice(_ANSWERS))
    stem = "".join(rng.choice(syllables) for syllables in _SYLLABLES)
    return draw_text(rng, rng.choice(_COINED_ANSWERS).replace("{stem}", stem.capitalize()))


def _templates(rng: random.Random, descriptions: Sequence[str], label: str) -> tuple[str, ...]:
    """Templates of descriptions in an order of their own, since the last one is kept for unseen descriptions."""
    given = "{the text|the answer|the reply|it|what you are given|the input|your answer|the result}"
    reply = "{Reply|Answer|Write your answer|Respond|Give the answer|Return the text|Output the text}"
    shuffled = rng.sample(descriptions, len(descriptions))
    return tuple(text.replace("LABEL", label).replace("$it", given).replace("$reply", reply) for text in shuffled)
