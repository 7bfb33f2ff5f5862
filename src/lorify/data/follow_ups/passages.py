"""Chats about passages: rules turn the questions of one passage into follow-ups of each other.

    Who built the Windmill of Ardmore?  Jasper Dunmore
    When was it built?

A name that also occurs in the previous turn becomes a pronoun. A question that shares most words with the previous one
is shortened to its question word (`And when?`), or, if only a few words differ, to these words (`And on Sundays?`).
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from lorify.data.examples import Example, Question
from lorify.data.follow_ups.prompt import READ_TURNS
from lorify.data.text import capitalize_first

STANDING_ALONE_SHARE = 0.15
"""Fraction of the questions that are asked unchanged after other questions."""
CARELESS_SHARE = 0.12
"""Fraction of the follow-ups in lower case, and fraction without a question mark."""
AND_SHARE = 0.25
"""Fraction of the follow-ups with a pronoun that begin with `And`."""
SHORTENED_SHARE = 0.5
"""Fraction of the follow-ups shortened to their question word, among those that can be."""
MIN_SHARED_WORDS = 0.5
"""A question is shortened to its question word if the previous one contains this fraction of its other words."""
MAX_DIFFERING_WORDS = 5
_WORD = re.compile(r"[\w'’.-]*\w")
_QUESTION_WORD = re.compile(
    r"(?:(?:in|on|at|by|for|with|from|to|of) )?"
    r"(?:who|whom|when|where|why|which(?: \w+)?|what(?: (?:year|day|time|date))?"
    r"|how(?: (?:many|much|long|old|far|often|big|large|tall|high))?)\b",
    re.IGNORECASE,
)
_COMMON = frozenset(
    "a an and are at be by can did do does for from had has have how in is it its of on or that the their there they "
    "this to was were what when where which who whom whose why will with would".split()
)
_PRONOUNS = {"he": ("he", "him", "his"), "she": ("she", "her", "her"), "it": ("it", "it", "its")}
_BEFORE_OBJECT = re.compile(r"\b(?:about|at|by|for|from|in|into|of|on|to|with|against|than|like)\s*$", re.IGNORECASE)


def with_chats(rng: random.Random, example: Example) -> list[Question]:
    """Turn an example's questions into final questions of chats about it.

    Args:
        rng: source of randomness.
        example: a text with at least two questions.

    Returns:
        At most one question with turns for each question; most are follow-ups.
    """
    text = "\n\n".join(example.documents)
    found: list[Question] = []
    for number, question in enumerate(example.questions):
        others = [other for other in example.questions[:number] + example.questions[number + 1 :] if other.answers]
        rng.shuffle(others)
        stands_alone = rng.random() < STANDING_ALONE_SHARE
        for last, *before in (others[start:] for start in range(len(others))):
            short = question.text if stands_alone else follow_up(rng, question.text, (last.text, last.answers[0]), text)
            if short is None:
                continue
            turns = [*before[: rng.randrange(READ_TURNS)], last]
            found.append(replace(question, text=short, turns=tuple((turn.text, turn.answers[0]) for turn in turns)))
            break
    return found


def follow_up(rng: random.Random, question: str, last: tuple[str, str], text: str) -> str | None:
    """Rewrite a question as a follow-up of another one.

    Args:
        rng: source of randomness.
        question: the question.
        last: the question before it with its answer.
        text: the text that both are about, used to choose pronouns.

    Returns:
        The follow-up; None if the questions have too little in common.
    """
    if question == last[0]:
        return None
    short = _replacing(rng, question, last[0])
    if short is None and rng.random() < SHORTENED_SHARE:
        short = _question_word(rng, question, last[0])
    if short is None and (short := _with_pronoun(question, " ".join(last), text)) is not None:
        has_and = rng.random() < AND_SHARE and _QUESTION_WORD.match(short) is not None
        short = f"And {short[:1].lower()}{short[1:]}" if has_and else capitalize_first(short)
    if short is None:
        return None
    if rng.random() < CARELESS_SHARE:
        short = short.lower()
    return short.removesuffix("?") if rng.random() < CARELESS_SHARE else short


def _replacing(rng: random.Random, question: str, before: str) -> str | None:
    """Shorten a question to the words in which it differs from the previous one: `And on Sundays?`."""
    asked, earlier = question.rstrip("?").split(), before.rstrip("?").split()
    most = min(len(asked), len(earlier)) - 1
    start = next((n for n in range(most) if asked[n] != earlier[n]), most)
    end = next((n for n in range(most - start) if asked[-1 - n] != earlier[-1 - n]), most - start)
    own, other = asked[start : len(asked) - end], earlier[start : len(earlier) - end]
    if start < 2 or not 0 < len(own) <= MAX_DIFFERING_WORDS or len(other) > MAX_DIFFERING_WORDS:
        return None
    return f"{rng.choice(('And', 'And', 'What about', 'And what about'))} {' '.join(own)}?"


def _question_word(rng: random.Random, question: str, before: str) -> str | None:
    """Shorten a question to its question word if the previous one has its other words: `And when?`."""
    found = _QUESTION_WORD.match(question)
    if found is None:
        return None
    others = _content_words(question[found.end() :])
    if not others or len(others & _content_words(before)) < MIN_SHARED_WORDS * len(others):
        return None
    word = found[0][:1].lower() + found[0][1:]
    return rng.choice((f"And {word}?", f"And {word}?", f"{capitalize_first(word)}?"))


def _with_pronoun(question: str, before: str, text: str) -> str | None:
    """Replace the longest name, or noun with `the`, that also occurs in the previous turn by a pronoun."""
    words = list(_WORD.finditer(question))
    best: tuple[int, int] | None = None
    for first in range(1, len(words)):
        for last in range(len(words) - 1, first - 1, -1):
            begin, end = words[first].start(), words[last].end()
            name = question[begin:end]
            if best is not None and end - begin <= best[1] - best[0]:
                break
            is_thing = words[first][0] == "the" and 0 < last - first <= 3 and not question[end:].startswith(" of ")
            if not (name[0].isupper() or is_thing) or not _has(before, name.removesuffix("'s").removesuffix("’s")):
                continue
            if words[last][0].lower() not in _COMMON:
                best = begin, end
                break
    if best is None:
        return None
    begin, end = best
    if question[:begin].lower().endswith(" the "):
        begin -= len("the ")
    name = question[begin:end]
    subject, object_, possessive = _PRONOUNS[_pronoun(name, text)]
    if name.endswith(("'s", "’s")):
        pronoun = possessive
    else:
        is_object = _BEFORE_OBJECT.search(question[:begin]) is not None or not _WORD.search(question[end:])
        pronoun = object_ if is_object else subject
    return question[:begin] + pronoun + question[end:]


def _pronoun(name: str, text: str) -> str:
    """Return the pronoun that a text uses most after a person's name; `it` for everything else."""
    if name.startswith("the ") or any(part.isdigit() for part in name.split()):
        return "it"
    after = text[max(0, text.find(name.split()[0])) :].lower()
    counts = {each: len(re.findall(rf"\b(?:{'|'.join(_PRONOUNS[each])})\b", after)) for each in ("he", "she")}
    likely = max(counts, key=lambda each: counts[each])
    return likely if counts[likely] >= 2 else "it"


def _has(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _content_words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} - _COMMON
