"""Messages with several numbers, names, times or towns; the task requests the one with a certain purpose.

Descriptions use a general noun for the requested value, so its purpose must be read.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from lorify.data.tables import load_table
from lorify.data.tasks.families.drawn.answer_forms import draw_answer_form, field_templates
from lorify.data.tasks.families.drawn.field_texts import OPENINGS
from lorify.data.tasks.families.drawn.messages import SENTENCE_SEPARATORS, write_message
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import TaskSpec

_TEXTS = ("message", "letter", "text", "note")


@dataclass(frozen=True)
class Use:
    """A use of a value.

    Attributes:
        purpose: what the value is for, as an infinitive without `to`.
        value: template of the value.
        statements: sentences that state it, with a slot for the value.
    """

    purpose: str
    value: str
    statements: tuple[str, ...]


@dataclass(frozen=True)
class ValueKind:
    """Values with the same noun; `paraphrases` request a value, with a slot for its purpose."""

    noun: str
    paraphrases: tuple[str, ...]
    uses: tuple[Use, ...]


@cache
def value_kinds() -> tuple[ValueKind, ...]:
    """Return all kinds of values."""
    return tuple(
        ValueKind(
            row["noun"],
            tuple(row["paraphrases"]),
            tuple(Use(use["purpose"], use["value"], tuple(use["statements"])) for use in row["uses"]),
        )
        for row in load_table("lorify.data.tasks.families", "lookups")["values"]
    )


def draw_lookups_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that extracts a value by its purpose; two or three other values have the same noun."""
    kind = rng.choice(value_kinds())
    requested, *similar = rng.sample(kind.uses, rng.randint(2, 3))
    others = [use for other in value_kinds() if other is not kind for use in other.uses]
    shown = [requested, *similar, *rng.sample(others, rng.randint(0, 2))]
    sentences = {use: rng.choice(use.statements).format(f"{{{use.purpose}}}") for use in shown}
    opening, separator = rng.choice(OPENINGS), rng.choice(SENTENCE_SEPARATORS)
    form = draw_answer_form(rng)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        values = {use.purpose: draw_text(draw, use.value) for use in shown}
        texts = [sentences[use] for use in draw.sample(shown, len(shown))]
        answer = form.write(kind.noun, values[requested.purpose])
        return write_message(opening, texts, separator).format_map(values), answer

    name, *paraphrases = [text.format(requested.purpose) for text in kind.paraphrases]
    other, another = rng.sample(paraphrases, 2)
    return TaskSpec(
        f"drawn_lookups_{number}",
        f"drawn lookups: {kind.noun}",
        draw_instance,
        field_templates(rng.choice(_TEXTS), name, (other, another), form.request(kind.noun)),
    )
