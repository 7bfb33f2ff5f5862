"""The form that a task gives to short texts, such as capitals, quotes or JSON, inferred from common words.

A small base misspells rare names and shortens quantities when it rewrites them, but it rewrites common words correctly.
So its adapter is tried on common words, and the form that most of the answers have is applied to the text itself. This
raised the share of right answers from 40% to 63% (docs/research-log.md, 2026-11-30).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.json_text import as_json, parse_json

STAND_INS = ("apple", "river", "Paris", "London", "bread", "Anna", "green apple", "Peter Smith")
"""Inputs that a task is tried on: common words of several lengths and cases, and two pairs of words."""
STAND_IN_TOKENS = 24
"""Maximum length of the answer for a stand-in, in tokens."""
MIN_SHARE = 0.5
"""Share of the stand-ins whose answers must have the form."""
MAX_WORDS = 8
"""For longer texts the task's own answer is used: a task may treat a sentence differently from a word."""
_SLOT = "\0"

_CHANGES: dict[str, Callable[[str], str]] = {
    "unchanged": lambda text: text,
    "capitalized": lambda text: text[:1].upper() + text[1:],
    "title case": str.title,
    "lower case": str.lower,
    "upper case": str.upper,
    "first word": lambda text: text.split()[0],
    "last word": lambda text: text.split()[-1],
    "first letter": lambda text: text[:1],
    "first letter in lower case": lambda text: text[:1].lower(),
    "first letter in upper case": lambda text: text[:1].upper(),
}
"""Possible changes of the text inside a form; of two that explain the same answers, the first is taken."""


@dataclass(frozen=True)
class TaskForm:
    """A form: fixed text around a changed text.

    Attributes:
        change: name of the change.
        template: the answer with slots for the changed text.
    """

    change: str
    template: str

    def apply(self, text: str) -> str:
        """Return a text in this form; in JSON its quotation marks are escaped."""
        changed = _CHANGES[self.change](text)
        if _is_json(self.template.replace(_SLOT, "a")):
            changed = as_json(changed)[1:-1]
        return self.template.replace(_SLOT, changed)


def may_have_form(text: str) -> bool:
    """Whether a form may be applied to a text: it has at least one word and few of them."""
    return 0 < len(text.split()) <= MAX_WORDS


def find_form(answers: Sequence[str], text: str) -> TaskForm | None:
    """Find the form that a task gives to texts like a given one.

    Args:
        answers: the task's answer for each of `STAND_INS`.
        text: the text to apply the form to.

    Returns:
        The form of most answers. None if too few agree, if they repeat the stand-ins unchanged (a task that acts on
        some texts only), or if the text has several words and no answer for a pair of words has the form.
    """
    explained: dict[TaskForm, list[str]] = defaultdict(list)
    for stand_in, answer in zip(STAND_INS, answers, strict=True):
        for form in _possible_forms(stand_in, answer):
            explained[form].append(stand_in)
    if not explained:
        return None
    # `max` returns the first of equals, and forms were added in the order of `_CHANGES`.
    form = max(explained, key=lambda form: len(explained[form]))
    agreeing = explained[form]
    is_seen_on_words = len(text.split()) == 1 or any(" " in stand_in for stand_in in agreeing)
    if len(agreeing) < MIN_SHARE * len(STAND_INS) or not is_seen_on_words or form == TaskForm("unchanged", _SLOT):
        return None
    return form


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or array; quotation marks alone are no sign of JSON."""
    try:
        return isinstance(parse_json(text), (dict, list))
    except json.JSONDecodeError:
        return False


def _possible_forms(stand_in: str, answer: str) -> list[TaskForm]:
    """All forms that turn a stand-in into an answer or its first line, after which a base may ramble on.

    A single letter must be the whole answer, since it occurs in too many words.
    """
    changed = {name: change(stand_in) for name, change in _CHANGES.items()}
    return [
        TaskForm(name, shown.replace(text, _SLOT))
        for shown in dict.fromkeys((answer, answer.partition("\n")[0]))
        for name, text in changed.items()
        if (text in shown if len(text) > 1 else text == shown)
    ]
