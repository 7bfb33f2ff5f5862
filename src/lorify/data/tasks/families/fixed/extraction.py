"""Tasks that extract fields of records and messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawInstance, TaskSpec, noun_phrase_templates

_FIELDS = {
    "first name": "what the person is called by friends",
    "surname": "the family name of the person",
    "full name": "who it is about, with both names",
    "age": "how old the person is",
    "job": "what the person works as",
    "city": "the town that is named",
    "number": "how many things were bought",
    "colour": "what colour the things have",
    "item": "what kind of thing was bought",
    "day": "on which weekday it was",
    "price": "how much money was paid",
    "month": "in which month it was",
}
"""Fields of a record, with paraphrases."""
_LABELLED_FIELDS = ("city", "age", "job", "item", "day")
_MESSAGE_FIELDS = {
    "email address": "where to send an email",
    "phone number": "which number to call",
    "order number": "which order it is about",
    "time": "until when or at what hour it should be",
    "sender": "who wrote the message",
}
"""Fields of a message, with paraphrases."""
_MESSAGES = (
    "My order {order number} has not come. Call me at {phone number} or write to {email address} before "
    "{time}. {sender}",
    "Hello, {sender} here. Please ring {phone number} at {time} about {order number}; my address is {email address}.",
)


def extraction_tasks() -> list[TaskSpec]:
    """Build tasks that extract a field of a record."""
    return [
        TaskSpec(
            f"extraction_{field.replace(' ', '_')}",
            "extraction",
            _from_record(lambda fields, field=field: fields[field]),
            (
                f"$find $only the {field} {{from|in}} $text.",
                f"{{What|Which}} {field} {{is mentioned|is named|stands}} in $text? {{Answer briefly.|}}",
                *noun_phrase_templates(f"the {field}"),
                f"{{Tell me|I want to know|Please find out}} {paraphrase}.",
                f"{{Somebody asks|The question is}} {paraphrase}{{: what do you say?|.}}",
                f"$write {paraphrase}{{, without any other word|}}.",
            ),
        )
        for field, paraphrase in _FIELDS.items()
    ]


def labelled_extraction_tasks() -> list[TaskSpec]:
    """Build tasks that write a field of a record in a given form."""
    return [_labelled_task(field, form) for field in _LABELLED_FIELDS for form in _FORMS]


_FORMS: dict[str, tuple[Callable[[str, str], str], str]] = {
    "json": (lambda field, value: json.dumps({field: value}), 'a JSON object with the key "FIELD"'),
    "line": (lambda field, value: f"{field}: {value}", 'a line "FIELD: ..."'),
    "upper": (lambda _field, value: value.upper(), "capital letters"),
}
"""Forms of answers: a function that writes a field, and the name of the form."""


def _labelled_task(field: str, form: str) -> TaskSpec:
    write, form_name = _FORMS[form]
    form_name = form_name.replace("FIELD", field)
    return TaskSpec(
        f"labelled_{field}_{form}",
        "labelled extraction",
        _from_record(lambda fields: write(field, fields[field])),
        (
            f"$find the {field} {{from|in}} $text and write it as {form_name}.",
            f"The {field} of $text, as {form_name}.",
            f"{{We need|I want}} the {field} {{written|put}} as {form_name}.",
            f"{{Look for|Find}} the {field}; {{the form is|use}} {form_name}.",
            f"{{Tell me|Say}} the {field} in the form of {form_name}.",
            f"As {form_name}: {{which|what}} {field} {{is mentioned|is named|stands}} in $text?",
            f"{{Answer in|Use}} {form_name} to say {_FIELDS[field]}.",
        ),
    )


def messages_tasks() -> list[TaskSpec]:
    """Build tasks that extract a field of a customer's message; an unseen family."""
    return [
        TaskSpec(
            f"messages_{field.replace(' ', '_')}",
            "messages",
            _from_message(field),
            (
                f"$find $only the {field} {{from|in}} the {{message|customer's message}}.",
                f"{{What|Which}} {field} is in the {{message|text|note}}?",
                f"$write {paraphrase}, {{nothing else|no more}}.",
            ),
        )
        for field, paraphrase in _MESSAGE_FIELDS.items()
    ]


def _from_message(field: str) -> DrawInstance:
    def draw_instance(rng: random.Random) -> tuple[str, str]:
        name = rng.choice(words.FIRST_NAMES)
        fields = {
            "email address": f"{name.lower()}{rng.randint(1, 99)}@{rng.choice(('mail', 'post', 'work'))}.com",
            "phone number": f"555-{rng.randint(1000, 9999)}",
            "order number": f"#{rng.randint(10000, 99999)}",
            "time": f"{rng.randint(8, 19)}:{rng.choice(('00', '15', '30', '45'))}",
            "sender": name,
        }
        text = rng.choice(_MESSAGES)
        for key, value in fields.items():
            text = text.replace(f"{{{key}}}", value)
        return text, fields[field]

    return draw_instance


def _from_record(answer: Callable[[Mapping[str, str]], str]) -> DrawInstance:
    def draw_instance(rng: random.Random) -> tuple[str, str]:
        record = words.draw_record(rng)
        return record.text, answer(record.fields)

    return draw_instance
