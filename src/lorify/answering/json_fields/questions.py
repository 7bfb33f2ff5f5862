"""Questions that ask documents for the value of a field."""

from __future__ import annotations

import re

from lorify.answering.json_fields.fields import JsonField
from lorify.answering.quotes import asks_for_verdict, asks_for_words, quote_kind

_FLAG = re.compile(r"(?P<verb>is|are|was|were|has|have|had|does|do|can|needs|allows|includes)\s+(?P<rest>.+)")
_TIME = re.compile(r"\b(?:date|day|start|end|deadline|birthday|due|since|until|time)\b")
_PERSON = re.compile(
    r"\b(?!(?:number|order|letter|paper|colou?r|folder|chapter|character|floor|door|sector|factor|error|tutor)$)"
    r"(?:\w+(?:er|or|ist|ian|ant|ent|ee|man|woman|person)|contact|guest|spouse|wife|husband|landlord|chair|host|boss|head)$"
)
_PARTICIPLE = re.compile(r"(?:ed|able|ible|free|en)$")
_STATE = re.compile(
    r"(?:\w+(?:ed|able|ible)|open|liable|valid|due|free|subject) (?:to|for|on|in|at|with|by|from|of|under) .+"
)
_EVENT = re.compile(
    r"(?P<participle>(?:\w+ed|sent|made|built|bought|sold|paid|held|given|written|begun|done)) (?:on|at)"
)
_PLURAL = re.compile(r"(?:[^s]s|people|children|men|women)$")


MAX_CONTEXT_CHARS = 120
"""Longer instructions are not added to the questions for fields as context."""


def is_question(text: str) -> bool:
    """Return whether a text asks something that documents may answer, rather than instructing to write JSON."""
    return asks_for_words(text) or asks_for_verdict(text) or quote_kind(text) is not None


def field_questions(field: JsonField, asked: str, *, is_only: bool) -> list[str]:
    """Return questions for the value of a field, in different words.

    Args:
        field: the field.
        asked: the user's question or instruction.
        is_only: whether it is the only field, so that the user's question asks for it.
    """
    asks = is_question(asked)
    if is_only and asks:
        return [asked]
    questions = _described(field) if field.description else []
    if field.words:
        questions += _named(field)
    if not questions:
        return [asked]
    in_context = [f"{asked} {question}" for question in questions] if len(asked) <= MAX_CONTEXT_CHARS else []
    return in_context if asks and in_context else [*questions, *in_context]


def _described(field: JsonField) -> list[str]:
    text = field.description.rstrip(".")
    if text.endswith("?"):
        return [text]
    text = text[0].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
    if field.kind == "boolean":
        return [f"Is it true {text.removeprefix('whether ').join(('that ', '?'))}"]
    article = "" if re.match(r"(?:the|a|an|all|every|each)\b", text) else "the "
    return [f"What is {article}{text}?"]


def _named(field: JsonField) -> list[str]:
    words = field.words
    if field.kind == "boolean":
        return [_flag_question(words)]
    if field.kind == "array":
        return [f"What are the {words}?"]
    event = _EVENT.fullmatch(words)
    if event is not None:
        return [f"When was it {event['participle']}?"]
    questions = [f"What is the {words}?"]
    if field.kind in ("integer", "number"):
        return [*questions, f"How many {words} are there?"] if _PLURAL.search(words) else questions
    if _TIME.search(words):
        return [*questions, f"When is the {words}?"]
    return [*questions, f"Who is the {words}?"] if _PERSON.search(words) else questions


def _flag_question(words: str) -> str:
    """A yes/no question, such as `Are pets allowed?` for `pets allowed`."""
    found = _FLAG.fullmatch(words)
    if found is not None:
        verb, rest = found["verb"], found["rest"]
        if verb in ("has", "have", "had"):
            return f"Is there {_with_article(rest)}?"
        if verb in ("needs", "allows", "includes"):
            return f"Does it {verb[:-1]} {rest}?"
        subject = "it" if verb in ("is", "was", "does", "can") else "they"
        return f"{verb.capitalize()} {subject} {rest}?"
    if _STATE.fullmatch(words):
        return f"Is it {words}?"
    *subject, last = words.split()
    if subject and _PARTICIPLE.search(last):
        return f"Are {words}?" if _PLURAL.search(subject[-1]) else f"Is the {words}?"
    return f"Is it {words}?" if _PARTICIPLE.search(last) else f"Is there {_with_article(words)}?"


def _with_article(words: str) -> str:
    if _PLURAL.search(words):
        return words
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"
