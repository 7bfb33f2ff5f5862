"""Requests with two facts per sentence; the task is to extract one fact."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from string import Formatter

from lorify.data.tables import load_table
from lorify.data.tasks.families.drawn.answer_forms import draw_answer_form, field_templates
from lorify.data.tasks.families.drawn.field_texts import OPENINGS
from lorify.data.tasks.families.drawn.messages import SENTENCE_SEPARATORS, write_message
from lorify.data.tasks.families.drawn.notes import NoteField
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import TaskSpec

_TEXTS = ("note", "request", "letter", "text", "message")


@cache
def request_fields() -> dict[str, NoteField]:
    """Return the facts of requests by name."""
    rows = load_table("lorify.data.tasks.families", "requests")["fields"]
    return {row["name"]: NoteField(row["name"], row["value"], tuple(row["paraphrases"])) for row in rows}


@cache
def request_sentences() -> Sequence[str]:
    """Return the sentences of requests, with fact names as slots."""
    return load_table("lorify.data.tasks.families", "requests")["sentences"]


def draw_requests_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that extracts one fact of a request."""
    fields = request_fields()
    field = rng.choice(list(fields.values()))
    sentences = _draw_sentences(rng, field.name)
    opening, separator = rng.choice(OPENINGS), rng.choice(SENTENCE_SEPARATORS)
    form = draw_answer_form(rng)
    shown = [name for sentence in sentences for name in sorted(_slots(sentence))]

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        values = {name: draw_text(draw, fields[name].value) for name in shown}
        text = write_message(opening, draw.sample(sentences, len(sentences)), separator)
        return text.format_map(values), form.write(field.name, values[field.name])

    other, another = rng.sample(field.paraphrases, 2)
    text = rng.choice(_TEXTS)
    return TaskSpec(
        f"drawn_requests_{number}",
        f"drawn requests: {'in a form' if form.description else 'as it is'}",
        draw_instance,
        field_templates(text, f"the {field.name}", (other, another), form.request(field.name)),
    )


def _draw_sentences(rng: random.Random, field: str) -> list[str]:
    """Draw two to four sentences that share no field; the first one has this field."""
    sentences = [rng.choice([text for text in request_sentences() if f"{{{field}}}" in text])]
    count = rng.randint(2, 4)
    while len(sentences) < count:
        text = rng.choice(request_sentences())
        if not _slots(text) & set().union(*map(_slots, sentences)):
            sentences.append(text)
    return sentences


def _slots(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
