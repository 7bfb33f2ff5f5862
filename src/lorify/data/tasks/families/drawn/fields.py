"""Texts about a subject with several fields, in a new combination for every task.

There are so many combinations that the requested field cannot be memorized; it must be read from the description.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from lorify.data.tables import load_table
from lorify.data.tasks.families.drawn.answer_forms import PLAIN, draw_answer_form, field_templates
from lorify.data.tasks.families.drawn.field_texts import draw_layout
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import DrawInstance, TaskSpec

FIXED_ORDER_SHARE = 0.3
"""Fraction of the tasks whose texts always have the fields in the same order."""
TWO_FIELDS_SHARE = 0.15
"""Fraction of the tasks that request two fields."""
_TEXTS = ("text", "note", "entry", "report", "announcement", "letter", "advert", "description")


@dataclass(frozen=True)
class Field:
    """A property of a subject.

    Attributes:
        names: its names.
        value: template of its values.
        statements: phrases that state it after the subject, with a slot for the value.
        paraphrases: ways to request it without its name.
    """

    names: tuple[str, ...]
    value: str
    statements: tuple[str, ...]
    paraphrases: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """Subjects of one kind and their fields; `subject` is a template."""

    name: str
    subject: str
    fields: tuple[Field, ...]


@cache
def worlds() -> tuple[World, ...]:
    """Return all worlds: subjects of each kind with their fields."""
    return tuple(
        World(
            row["name"],
            row["subject"],
            tuple(
                Field(tuple(field["names"]), field["value"], tuple(field["statements"]), tuple(field["paraphrases"]))
                for field in row["fields"]
            ),
        )
        for row in load_table("lorify.data.tasks.families", "fields")["worlds"]
    )


def draw_fields_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task with some fields of a world, of which one or two are requested."""
    world = rng.choice(worlds())
    fields = rng.sample(world.fields, rng.randint(3, 5))
    names = {field: rng.choice(field.names) for field in fields}
    layout, fixed_order = draw_layout(rng), rng.random() < FIXED_ORDER_SHARE
    requested = fields[0]
    second = fields[1] if rng.random() < TWO_FIELDS_SHARE else None
    form = PLAIN if second else draw_answer_form(rng)
    shown = sorted(fields, key=lambda field: field.names)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        values = {field: draw_text(draw, field.value) for field in shown}
        order = shown if fixed_order else draw.sample(shown, len(shown))
        entries = [
            (names[f], values[f] if layout.is_form else draw.choice(f.statements).format(values[f])) for f in order
        ]
        text = layout.write(draw, draw_text(draw, world.subject), entries)
        if second is not None:
            return text, f"{values[requested]} and {values[second]}"
        return text, form.write(names[requested], values[requested])

    return _build_spec(rng, number, world, draw_instance, names, (requested, second), form.request(names[requested]))


def _build_spec(
    rng: random.Random,
    number: str,
    world: World,
    draw_instance: DrawInstance,
    names: dict[Field, str],
    requested: tuple[Field, Field | None],
    form: str,
) -> TaskSpec:
    first, second = requested
    name, (other, another) = f"the {names[first]}", rng.sample(first.paraphrases, 2)
    if second is not None:
        name = f"{name} and the {names[second]}"
        other, another = (f"{one} and {rng.choice(second.paraphrases)}" for one in (other, another))
    return TaskSpec(
        f"drawn_fields_{number}",
        f"drawn fields: {world.name}",
        draw_instance,
        field_templates(rng.choice(_TEXTS), name, (other, another), form),
    )
