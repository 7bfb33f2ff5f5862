"""Notes and letters of several kinds; the task requests one field."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from lorify.data.tables import load_table
from lorify.data.tasks.families.drawn.answer_forms import CAPITAL_LETTERS, JSON_OBJECT, PLAIN, AnswerForm
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import TaskSpec


@dataclass(frozen=True)
class NoteField:
    """A field of a note.

    Attributes:
        name: its name.
        value: template of its values.
        paraphrases: ways to request it without its name.
    """

    name: str
    value: str
    paraphrases: tuple[str, ...]


@dataclass(frozen=True)
class NoteKind:
    """Notes of one kind: their forms, with field names as slots, and their fields."""

    name: str
    group: str
    forms: tuple[str, ...]
    fields: tuple[NoteField, ...]


_ANSWER_FORMS = (
    PLAIN,
    PLAIN,
    CAPITAL_LETTERS,
    AnswerForm('as a line "NAME: ..."', lambda name, value: f"{name}: {value}"),
    JSON_OBJECT,
    AnswerForm("in double quotes", lambda _name, value: f'"{value}"'),
)


@cache
def note_kinds() -> tuple[NoteKind, ...]:
    """Return all kinds of notes."""
    return tuple(
        NoteKind(
            row["name"],
            row["group"],
            tuple(row["forms"]),
            tuple(NoteField(field["name"], field["value"], tuple(field["paraphrases"])) for field in row["fields"]),
        )
        for row in load_table("lorify.data.tasks.families", "notes")["notes"]
    )


def draw_extraction_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that extracts one field of a note."""
    kind = rng.choice(note_kinds())
    field = rng.choice(kind.fields)
    paraphrase = rng.choice(field.paraphrases)
    form = rng.choice(_ANSWER_FORMS)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        values = {each.name: draw_text(draw, each.value) for each in kind.fields}
        return draw.choice(kind.forms).format(**values), form.write(field.name, values[field.name])

    templates = _templates(kind.name, field.name, paraphrase, form.request(field.name))
    return TaskSpec(f"drawn_extraction_{number}", f"drawn extraction: {kind.group}", draw_instance, templates)


def _templates(kind: str, name: str, paraphrase: str, form: str) -> tuple[str, ...]:
    return (
        f"$find $only the {name}{form} {{from|in|of}} {{the text|the {kind}|the note}}.",
        f"{{What|Which}} {name} {{is mentioned|is named|stands|is given}} in {{the text|the note}}? "
        f"{{Answer|Reply}} {form.strip() or 'briefly'}.",
        f"{{Tell me|Say}} {paraphrase}{form}.",
        f"{{I need|We want|I am looking for}} the {name}{form}.",
        f"{{I want to know|Can you see|Please find out}} {paraphrase}{form}.",
        f"The {name}{form}, {{please|that is all}}.",
        f"{{From|Out of}} the {kind}, {{take|copy}} the {name} {{and leave the rest|alone}}{form}.",
        f"{{Read|Go through}} the {{text|note}}: {{what does it say about|where is}} the {name}? "
        f"{{Write it|It is wanted}}{form or ' as it stands'}.",
        f"{{Somebody asks|The question is}} {paraphrase}: {{answer|reply}}{form or ' in short'}.",
        f"$write {paraphrase}{form}{{, nothing else|, and no more}}.",
    )
