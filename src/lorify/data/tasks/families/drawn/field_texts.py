"""Layouts of texts about a subject with several fields."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.text import capitalize_first

Entries = Sequence[tuple[str, str]]
"""Name of each field, and the statement (or, in a form, the value) that follows the subject."""
Write = Callable[[random.Random, str, Entries], str]


@dataclass(frozen=True)
class FieldLayout:
    """The composition of a text.

    Attributes:
        write: composes the text from the subject and the entries; minor words are drawn anew each time.
        is_form: whether the text lists field names with values instead of statements.
    """

    write: Write
    is_form: bool = False


OPENINGS = (
    "Please note: ",
    "Hello, ",
    "For your files: ",
    "Good morning! ",
    "As I told you, ",
    "News: ",
    "By the way, ",
    "This is what we know: ",
    "I am told that ",
    "To whom it may concern: ",
    "",
    "",
    "",
)
_MESSAGE_OPENINGS = (
    "About {}:",
    "I write to you about {}.",
    "You asked me about {}.",
    "I had a look at {}.",
    "Now to {}:",
    "Let me tell you of {}.",
    "Dear all, this is on {}.",
    "I have news of {}:",
    "My notes on {}:",
)
_SUBJECT_PRONOUNS = ("It", "This one", "The same", "It also", "The one I mean", "The said one", "As I hear, it")
_CLOSINGS = (
    " That is all.",
    " More soon!",
    " Please keep this.",
    " Many thanks.",
    " Let us know.",
    " Do not lose it.",
    "",
    "",
)
_FORM_SIGNS = ((" | ", ": "), ("; ", "="), (", ", " "), (" / ", ": "), ("; ", ": "), ("\n", ": "), ("\n", " - "))
"""Separators between the fields of a form, and between a field's name and its value."""


def draw_layout(rng: random.Random) -> FieldLayout:
    """Draw a layout."""
    opening, closing = rng.choice(OPENINGS), rng.choice(_CLOSINGS)
    field_separator, name_separator = rng.choice(_FORM_SIGNS)

    def write_letter(_: random.Random, subject: str, entries: Entries) -> str:
        return _write_letter(opening, closing, subject, [text for _, text in entries])

    def write_form(_: random.Random, subject: str, entries: Entries) -> str:
        return field_separator.join([subject, *(f"{name}{name_separator}{value}" for name, value in entries)])

    plain = (_write_clauses, _write_sentences, write_letter, write_letter, _write_message)
    return rng.choice((*map(FieldLayout, plain), FieldLayout(write_form, is_form=True)))


def _write_clauses(_: random.Random, subject: str, entries: Entries) -> str:
    *first, last = [text for _, text in entries]
    return capitalize_first(f"{subject} {', '.join(first)} and {last}.")


def _write_sentences(_: random.Random, subject: str, entries: Entries) -> str:
    texts = [text for _, text in entries]
    return " ".join([f"{capitalize_first(subject)} {texts[0]}.", *(f"It {text}." for text in texts[1:])])


def _write_letter(opening: str, closing: str, subject: str, texts: Sequence[str]) -> str:
    middle = " ".join(f"It {one} and {two}." for one, two in zip(texts[1::2], texts[2::2], strict=False))
    end = f" Also, it {texts[-1]}." if len(texts) % 2 == 0 else ""
    return f"{capitalize_first(f'{opening}{subject} {texts[0]}.')} {middle}{end}{closing}".replace("  ", " ")


def _write_message(rng: random.Random, subject: str, entries: Entries) -> str:
    sentences = " ".join(f"{rng.choice(_SUBJECT_PRONOUNS)} {text}." for _, text in entries)
    return f"{rng.choice(_MESSAGE_OPENINGS).format(subject)} {sentences}{rng.choice(_CLOSINGS)}"
