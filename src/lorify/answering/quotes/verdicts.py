"""Verdicts: decide between yes and no by the negations in the sentence about the question.

The extractor's own choice between yes and no is right for only about half of such questions (docs/research-log.md).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lorify.answering.quotes.item_lists import is_no
from lorify.answering.quotes.words import content_words, is_heading
from lorify.answering.sources import is_question
from lorify.contexts.texts.chunking import split_into_sentences

LOCATED_BONUS = 0.5
"""Added to the share of the question's words in a sentence if the extractor finds the answer there."""
EXCEPTION_WORDS = 4
"""`without` and `except` negate this many of the next words."""
# "Are dogs allowed?" is about dogs, not about "allowed": cats are allowed, too.
_ASKING_WORDS = content_words(
    "allow allowed permit permitted possible able true ok okay right say need there any go get"
)
_OPEN, _CLOSED = content_words("open"), content_words("closed")
_DECIDED = re.compile(r"(?:A(?:nswer)?[:.]\s*)?[*_]*(yes|no)\b(?=\W*$|\s*[,.;:!–—-](?!\s*\d))", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:no(?! (?:later|more|less|fewer|earlier|matter|doubt)\b|\.? ?\d)|not(?! (?:only|just|least|later)\b)|never|"
    r"none|nobody|nothing(?! but\b)|neither|nor|cannot|"
    r"refuse[sd]?|rejected|declined|denied|turned down|lacks?|fails?|failed)\b|n['’]t\b",
    re.IGNORECASE,
)
_EXCLUSION = re.compile(
    r"\b(?:forbid(?:s|den)?|prohibit(?:s|ed)?|banned|excluded?|unavailable|"
    r"closed (?:on|from|in|during|until|for|at|every)|(?:is|are|was|were|be|been|stays?|remains?) closed|:? closed$)",
    re.IGNORECASE,
)
_ASKED_EXCLUSION = re.compile(
    r"\b(?:forbidden|prohibited|banned|excluded|unavailable|closed|rejected|declined|denied|refused|turned down|"
    r"not (?:allowed|permitted|possible))\b",
    re.IGNORECASE,
)
_OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        ("pays?|paid|costs?|charged?|fees?", "free|no charge"),
        ("included|in the price", "(?:charged|billed|sold|ordered|paid|available) (?:separately|extra)|extra charge"),
    )
)
_NAMED_PLACE = re.compile(r"\b(?P<preposition>on|in|to|with|for|from|by|at) (?:the )?(?P<name>[A-Z][\w-]+)\W*$")
_EXCEPTION = re.compile(r"\b(?:without|except|apart from|other than|but not)\b", re.IGNORECASE)
_ONLY = re.compile(r"\b(?:only|exclusively)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[;–—]\s+|,?\s+(?=(?:but|while|whereas|although|though|however|because|if|unless|when)\b)|,\s+(?=so\b)",
    re.IGNORECASE,
)
_AND_NOT = re.compile(r",?\s+(?=and\b[^;]*?(?:\b(?:not|never|no|cannot)\b|n['’]t\b))", re.IGNORECASE)
_VERB = re.compile(r"\b(?:is|are|was|were|may|can|must|has|have|had|do|does|did|will|should)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"(?:It|They|He|She|This|These)\b")
_NO_SUBJECT = re.compile(
    r"(?:(?:but|and|while|although|though|because|so|if|when)\s+)?"
    r"(?:it|they|he|she|this|these|is|are|was|were|may|can|must|has|have|had|do|does|did|will|not|never|cannot)\b",
    re.IGNORECASE,
)
_FIELD = re.compile(r"(?:^|; )([^:;]{1,40}): ([^;]*)")
_AMOUNT = re.compile(r"(\d+(?:[.,:]\d+)*)\s?([^\W\d_]+|[€$£%])")
_CURRENCY = re.compile(r"^(?:[€$£]|euros?|pounds?|dollars?|cents?|EUR|USD|GBP|CHF)$")
_COMPARED = re.compile(
    r"\b(?:least|most|up to|more|less|over|under|above|below|between|from|to|until|than|within|older|younger|per)\b",
    re.IGNORECASE,
)


class Verdict(NamedTuple):
    """Yes or no, and the sentence that says so."""

    answer: str
    sentence: str


@dataclass(frozen=True)
class _Statement:
    """A sentence that may give the verdict.

    Attributes:
        text: the sentence.
        words: its content words, plus those of the previous one if that is a heading or question, or if this one begins
            with a pronoun.
        is_located: whether the extractor finds the answer there.
        is_reply: whether it follows a question.
    """

    text: str
    words: set[str]
    is_located: bool
    is_reply: bool


def find_verdict(question: str, text: str, begin: int, end: int) -> Verdict | None:
    """Find out whether a text answers a question with yes or no.

    Questions and headings in the text are ignored. If the best sentence answers a question in the text with yes or no,
    that is the verdict; otherwise a negation of what is asked means no.

    Args:
        question: the question.
        text: a text.
        begin: index of the first character of the extractor's answer.
        end: index after their last character.

    Returns:
        The verdict; None if the text has only headings and questions.
    """
    statements = list(_statements(text, begin, end))
    asked = content_words(question)
    asked = asked - _ASKING_WORDS or asked
    counts = Counter(word for each in statements for word in each.words)
    weights = {word: math.log(1 + len(statements) / max(1, counts[word])) for word in sorted(asked)}
    best = max(statements, key=lambda each: _score(each, weights), default=None)
    if best is None:
        return None
    decided = _DECIDED.match(best.text) if best.is_reply else None
    if decided is not None:
        return Verdict(decided[1].capitalize(), best.text)
    is_denied = (
        _is_denied(best, question, asked)
        or _has_other_amount(best.text, question)
        or _has_other_names(best.text, question, text)
    )
    return Verdict("No" if is_denied != (_ASKED_EXCLUSION.search(question) is not None) else "Yes", best.text)


def _statements(text: str, begin: int, end: int) -> Iterator[_Statement]:
    before, start = "", 0
    for piece in split_into_sentences(text):
        sentence = " ".join(piece.split())
        stop = start + len(piece)
        if sentence and not is_question(sentence) and not is_heading(sentence):
            is_reply = is_question(before)
            words = content_words(sentence)
            if words & _CLOSED:  # "Is it open on Mondays?"
                words |= _OPEN
            if is_reply or is_heading(before) or _PRONOUN.match(sentence):
                words |= content_words(before)
            yield _Statement(sentence, words, begin < stop and start < end, is_reply)
        before, start = sentence or before, stop


def _score(statement: _Statement, weights: Mapping[str, float]) -> float:
    shared = sum(weight for word, weight in weights.items() if word in statement.words)
    return shared / (sum(weights.values()) or 1.0) + LOCATED_BONUS * statement.is_located


def _is_denied(statement: _Statement, question: str, asked: set[str]) -> bool:
    """Whether the part of a sentence that the question is about denies it."""
    fields = _FIELD.findall(statement.text.rstrip("."))
    if len(fields) > 1:
        named = [value for name, value in fields if content_words(name) & asked]
        # Other cells, such as the row's name, are not a condition.
        if named:
            return any(is_no(value) or _denies(value, asked) for value in named)
        return any(_denies(value, asked) for _, value in fields if content_words(value) & asked)
    clause = _clause_about(statement.text, question, asked)
    is_missing = bool(_ONLY.search(clause)) and not asked <= statement.words
    return (_denies(clause, asked) != _says_opposite(clause, question)) or is_missing


def _denies(clause: str, asked: set[str]) -> bool:
    """Whether a clause has a negation or an excluding word, but not both, or excepts what was asked.

    What was asked may be the exception itself: `Dogs are not allowed, except guide dogs.`
    """
    is_negated = (_NEGATION.search(clause) is None) != (_EXCLUSION.search(clause) is None)
    excepted = [
        (
            content_words(clause[: found.start()]),
            content_words(" ".join(clause[found.end() :].split()[:EXCEPTION_WORDS])),
        )
        for found in _EXCEPTION.finditer(clause)
    ]
    if is_negated and any(asked <= words and not asked <= before for before, words in excepted):
        return False
    return is_negated or any(words & asked for _, words in excepted)


def _says_opposite(clause: str, question: str) -> bool:
    """Whether a question has one of two opposite words and a clause only the other: asking who pays when it is free."""
    for pair in _OPPOSITES:
        asked = [word.search(question) is not None for word in pair]
        said = [word.search(clause) is not None for word in pair]
        if sum(asked) == sum(said) == 1 and asked != said:
            return True
    return False


def _has_other_names(sentence: str, question: str, text: str) -> bool:
    """Whether a question ends with a name that is not in the text, and the sentence has another one in its place.

    Example: `Does it run on Windows?` if it runs on Linux.
    """
    asked = _NAMED_PLACE.search(question)
    if asked is None or asked["name"].casefold().rstrip("s") in text.casefold():
        return False
    return re.search(rf"\b{asked['preposition']} (?:the )?[A-Z]", sentence) is not None


def _clause_about(sentence: str, question: str, asked: set[str]) -> str:
    """The clause with the most words of a question; in a tie, the one with the question's first word."""
    clauses = list(_clauses(sentence))
    own = [content_words(clause) for clause in clauses]
    words: list[set[str]] = []
    for clause, each in zip(clauses, own, strict=True):
        words.append(each | words[-1] if words and _NO_SUBJECT.match(clause) else each)
    first = next((word for part in question.split() for word in sorted(content_words(part) & asked)), "")
    best = max(range(len(clauses)), key=lambda i: (len(words[i] & asked), len(own[i] & asked), first in own[i]))
    return clauses[best]


def _clauses(sentence: str) -> Sequence[str]:
    parts = _CLAUSE_END.split(sentence)
    found: list[str] = []
    for part in parts:
        contrast = _AND_NOT.search(part)
        if contrast is not None and _VERB.search(part[: contrast.start()]):
            found += [part[: contrast.start()], part[contrast.end() :]]
        else:
            found.append(part)
    return [part for part in found if part.strip()] or [sentence]


def _has_other_amount(sentence: str, question: str) -> bool:
    """Whether a sentence has a different number than a question: `Is it 20 euros?` if the text says 30 euros."""
    if _COMPARED.search(sentence) or _COMPARED.search(question):
        return False
    stated = [(number, _CURRENCY.sub("money", unit)) for number, unit in _AMOUNT.findall(sentence)]
    return any(
        _CURRENCY.sub("money", unit) in {each for _, each in stated} and number not in {each for each, _ in stated}
        for number, unit in _AMOUNT.findall(question)
    )
