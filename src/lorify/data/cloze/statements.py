"""Build questions from a document's sentences by replacing a part with `what`. No model is needed.

    Tuuli Pettersen works for Kapoor Partners.  ->  Tuuli Pettersen works for what?  ->  Kapoor Partners
    The tower is 48 metres high.                ->  The tower is what high?          ->  48 metres

The answer is the last quantity, date or name after the subject, or else the end of the sentence. Sentences that begin
with a pronoun are skipped, because they cannot be answered without the previous sentence.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lorify.data.answers import contains_answer
from lorify.data.cloze.sentences import split_sentences

MIN_WORDS, MAX_WORDS = 4, 40
"""Length of a sentence, in words; others are skipped."""
MAX_ANSWER_WORDS = 6
MAX_SAMPLED_STATEMENTS = 48
MAX_ANSWER_TOKENS = 32
"""Longest answer of a model to such a question, in tokens; enough for a sentence that contains the answer."""

_PRONOUN = re.compile(r"(?:he|she|it|they|we|i|you|this|that|these|those|his|her|its|their|there|here)\b", re.I)
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?:\d{{1,2}} )?(?:{_MONTH})(?: \d{{1,2}},?)?(?: \d{{4}})?"
_NOT_A_UNIT = "and|or|of|in|on|at|the|to|by|for|from|with|are|is|was|were|that|which|when|as|a|an"
_NUMBER = r"-?[£$€]?\d[\w.,:/-]*\w%?|-?[£$€]?\d%?"
_QUANTITY = rf"(?:{_NUMBER})(?: (?:by|to) (?:{_NUMBER}))?(?: (?!(?:{_NOT_A_UNIT})\b)[°a-zé]+\w*)?"
_NUMBER_WITH_UNIT = re.compile(rf"({_NUMBER}) [°a-zé]+\w*")
_WORD = r"[A-Z][\w'’-]*"
_NAME = rf"(?:(?:Mr|Mrs|Dr|Prof|St)\. )?{_WORD}(?: (?:of |the |de |van |von |& )*{_WORD})*(?: \d+(?=\W))?"
_ANSWER = re.compile(rf"(?<![\w-])(?:{_DATE}|{_QUANTITY}|{_NAME})(?![\w'’-])")
_PREPOSITION_OR_VERB = re.compile(r"\b(?:is|are|was|were|for|of|as|about|by|with|in|at|to|from|called|named)\b ")

Span = tuple[int, int]
"""Start and end in a sentence, in characters."""


@dataclass(frozen=True)
class ClozeStatement:
    """A sentence with the question built from it and the answer."""

    sentence: str
    question: str
    answer: str


def matches_answer(text: str, answer: str) -> bool:
    """Return whether a text contains the answer to a cloze question, or is the answer's number without its unit."""
    return contains_answer(text, [answer]) or text.strip().rstrip(".") == number_without_unit(answer)


def number_without_unit(answer: str) -> str | None:
    """Return the number of a quantity without its unit; None for any other answer."""
    number = _NUMBER_WITH_UNIT.fullmatch(answer)
    return None if number is None else number[1]


def find_cloze_statements(text: str) -> list[ClozeStatement]:
    """Build at most one question from each sentence of a text, in order and without duplicates."""
    found: dict[str, ClozeStatement] = {}
    for sentence, body in _declarative_sentences(text):
        span = None if _PRONOUN.match(sentence) else _find_answer(body)
        if span is not None:
            _add(found, sentence, body, span)
    return list(found.values())


def find_cloze_candidates(text: str) -> list[ClozeStatement]:
    """Build a question for every date, quantity and name in a text's sentences, in order and without duplicates.

    Sentences that begin with a pronoun are included: these questions are for readers who know the previous sentence.
    """
    found: dict[str, ClozeStatement] = {}
    for sentence, body in _declarative_sentences(text):
        for span in _find_entities(body, after=0):
            _add(found, sentence, body, span)
    return list(found.values())


def sample_cloze_statements(
    texts: Sequence[str], max_statements: int = MAX_SAMPLED_STATEMENTS
) -> list[tuple[int, ClozeStatement]]:
    """Sample statements of several texts, in order; the same texts give the same sample.

    Returns:
        The statements, each with the index of its text.
    """
    found = [(index, statement) for index, text in enumerate(texts) for statement in find_cloze_statements(text)]
    if len(found) <= max_statements:
        return found
    chosen = sorted(random.Random(0).sample(range(len(found)), max_statements))
    return [found[i] for i in chosen]


def _declarative_sentences(text: str) -> Iterator[tuple[str, str]]:
    """Return sentences of suitable length that are not questions, each with a copy without its final punctuation."""
    for sentence in split_sentences(text):
        body = sentence.rstrip(".!?;: ")
        if body and not sentence.endswith("?") and MIN_WORDS <= len(sentence.split()) <= MAX_WORDS:
            yield sentence, body


def _add(found: dict[str, ClozeStatement], sentence: str, body: str, span: Span) -> None:
    start, end = span
    question = f"{body[:start]}what{body[end:]}?"
    found.setdefault(question, ClozeStatement(sentence, question, body[start:end]))


def _find_answer(body: str) -> Span | None:
    """Find the last date, quantity or name after two words, or else the text after the last preposition or verb."""
    subject_chars = len(" ".join(body.split()[:2]))
    spans = _find_entities(body, subject_chars) or _find_ending(body, subject_chars)
    return spans[-1] if spans else None


def _find_entities(body: str, after: int) -> list[Span]:
    return [m.span() for m in _ANSWER.finditer(body) if m.start() > after and _is_short(m.group())]


def _find_ending(body: str, after: int) -> list[Span]:
    ends = [m.end() for m in _PREPOSITION_OR_VERB.finditer(body) if m.end() > after and _is_short(body[m.end() :])]
    return [(end, len(body)) for end in ends[-1:]]


def _is_short(text: str) -> bool:
    return 0 < len(text.split()) <= MAX_ANSWER_WORDS
