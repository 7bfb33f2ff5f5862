"""Tasks on values in a fixed form, such as a clock time or file name: write another form, or only one part."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from lorify.data.tables import load_table
from lorify.data.tasks import words
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import TaskSpec
from lorify.data.text import capitalize_first

DrawValues = Callable[[random.Random], tuple[str, ...]]
EXTRA_MARKS_SHARE = 0.4
"""Fraction of the tasks whose answers also have marks around them."""


@dataclass(frozen=True)
class Structure:
    """Values in a fixed form.

    Attributes:
        name: noun for the whole.
        draw_values: draws the values.
        input_form: form of the input, with value numbers as slots.
        outputs: forms of answers, each with its descriptions.
    """

    name: str
    draw_values: DrawValues
    input_form: str
    outputs: tuple[tuple[str, tuple[str, ...]], ...]


def _draw_clock(rng: random.Random) -> tuple[str, ...]:
    """Draw the hour on the 12-hour clock, the minute, and the hour on the 24-hour clock."""
    hour = rng.randint(1, 11)
    return str(hour), str(rng.randint(10, 59)), str(hour + 12)


def _draw_address(rng: random.Random) -> tuple[str, ...]:
    """Draw a country, its capital, and a postal code."""
    return (*rng.choice(list(words.CAPITALS.items())), str(rng.randint(1000, 9999)))


_GENERATORS: dict[str, DrawValues] = {"clock": _draw_clock, "address": _draw_address}
"""Generators for values that depend on each other."""


@cache
def structures() -> tuple[Structure, ...]:
    """Return the kinds of values with a fixed form, such as clock times and file names."""
    return tuple(map(_parse, load_table("lorify.data.tasks.families", "structures")["structures"]))


def _draw_all(templates: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    return tuple(draw_text(rng, template) for template in templates)


def _parse(row: dict[str, Any]) -> Structure:
    draw_values = _GENERATORS[row["generator"]] if "generator" in row else partial(_draw_all, row["values"])
    outputs = tuple((output["form"], tuple(output["descriptions"])) for output in row["outputs"])
    return Structure(row["name"], draw_values, row["input"], outputs)


def draw_forms_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that writes a structure in one of its forms."""
    structure = rng.choice(structures())
    form, descriptions = rng.choice(structure.outputs)
    description = rng.choice(descriptions)
    opening, ending, also = "", "", ""
    if rng.random() < EXTRA_MARKS_SHARE:
        opening, ending = rng.choice((("= ", ""), ("-> ", ""), ("", "!"), ('"', '"')))
        also = f", like {opening}this{ending}"

    def draw_instance(instance: random.Random) -> tuple[str, str]:
        values = structure.draw_values(instance)
        return structure.input_form.format(*values), f"{opening}{form.format(*values)}{ending}"

    example = f"{opening}{form.format(*structure.draw_values(rng))}{ending}"
    extent = "whole" if form.count("{") > 1 else "part"
    templates = _templates(structure.name, description, also, example)
    return TaskSpec(f"drawn_forms_{number}", f"drawn forms: {extent}", draw_instance, templates)


def _templates(kind: str, how: str, also: str, example: str) -> tuple[str, ...]:
    return (
        f"{{Write|Give|Rewrite}} the {kind} as {how}{also}.",
        f"{{Convert|Change}} the {{{kind}|given {kind}}}: it should be {how}{also}.",
        f"Of the {kind}{{ you get|}}, {{we want|I need}} {how}{also}.",
        f"{capitalize_first(how)}{also}, that is {{all we want|what to make}} of the {kind}.",
        f"{{You get|There comes}} a {kind}. {{Return|Answer|Show}} {how}{also}.",
        f"{{How does|Show how}} the {kind} look {how}{also}?",
        f"{{We like|Here we write}} a {kind} so: {how}{also}.",
        f"{{From|Out of}} the {kind}, {{make|get}} {how}{also}.",
        f"{{Please reformat|Transform|Translate}} the {kind}: {how}{also}.",
        f"{{Write|Put|Give}} the {kind} {{as|the way}} {example} is written.",
        f"{{Like|In the manner of}} {example}, {{that is how|so}} the {kind} should look: {how}.",
        f"{{For example|For instance}} {example}: the {kind} {{becomes|is to be}} {how}.",
        f"{{Put|Bring}} the {kind} in another form: {how}{also}.",
        f"{capitalize_first(example)}: {{so|like that}} {{write|give|put}} the {kind}{{, please|}}.",
        f"{{Put|Set|Write}} the {{{kind}|input}} {{with|as}} {how}{also}.",
        f"The {kind}, {how}{also}, {{please|is wanted}}.",
        f"{{Our form for|The form of}} a {kind} is {how}{also}; {{use|keep to}} it.",
    )
