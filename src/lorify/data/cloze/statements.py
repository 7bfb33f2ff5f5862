"""What a document states, as questions by rule: a sentence with one of its words asked for. No model is needed.

    Tuuli Pettersen works for Kapoor Partners.  ->  Tuuli Pettersen works for what?  ->  Kapoor Partners
    The tower is 48 metres high.                ->  The tower is what high?          ->  48 metres

The word is a number with its unit, a date or a name where the sentence has one after its subject, and else its end.
Sentences that begin with a pronoun are left out: without the sentence before, nobody could answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lorify.data.answers import contains_answer

MIN_WORDS, MAX_WORDS = 4, 40
MAX_ANSWER_WORDS = 6
MAX_SAMPLED_STATEMENTS = 48
MAX_ANSWER_TOKENS = 32
"""Longest answer to a question made here, in tokens: what was asked for may stand in a sentence."""
WRAPPED_CHARS = 60  # a line so long was probably broken by its width

_MARKER = re.compile(r"^\s*(?:[*•#>-]+|\d+[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b(?:Mr|Dr|St)\.)(?<!\b(?:Mrs)\.)(?<!\b(?:Prof)\.)\s+(?=[\"“(]?[A-Z0-9])")
_PRONOUN = re.compile(r"(?:he|she|it|they|we|i|you|this|that|these|those|his|her|its|their|there|here)\b", re.I)
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?:\d{{1,2}} )?(?:{_MONTH})(?: \d{{1,2}},?)?(?: \d{{4}})?"
_NOT_A_UNIT = "and|or|of|in|on|at|the|to|by|for|from|with|are|is|was|were|that|which|when|as|a|an"
_NUMBER = r"-?[£$€]?\d[\w.,:/-]*\w%?|-?[£$€]?\d%?"
_QUANTITY = rf"(?:{_NUMBER})(?: (?:by|to) (?:{_NUMBER}))?(?: (?!(?:{_NOT_A_UNIT})\b)[°a-zé]+\w*)?"
_NUMBER_WITH_UNIT = re.compile(rf"({_NUMBER}) [°a-zé]+\w*")
_WORD = r"[A-Z][\w'’-]*"
_NAME = rf"(?:(?:Mr|Mrs|Dr|Prof|St)\. )?{_WORD}(?: (?:of |the |de |van |von |& )*{_WORD})*(?: \d+(?=\W))?"
_ANSWER = re.compile(rf"(?<![\w-])(?:{_DATE}|{_QUANTITY}|{_NAME})(?![\w-])")
_LINK = re.compile(r"\b(?:is|are|was|were|for|of|as|about|by|with|in|at|to|from|called|named)\b ")


@dataclass(frozen=True)
class ClozeStatement:
    """A sentence, the question that is made of it, and the answer."""

    sentence: str
    question: str
    answer: str


def matches_answer(text: str, answer: str) -> bool:
    """Whether a text says a statement's answer: its words, or of a number with its unit nothing but the number."""
    return contains_answer(text, [answer]) or text.strip().rstrip(".") == number_without_unit(answer)


def number_without_unit(answer: str) -> str | None:
    """The number of a number with its unit; None of any other answer."""
    number = _NUMBER_WITH_UNIT.fullmatch(answer)
    return None if number is None else number[1]


def find_cloze_statements(text: str) -> list[ClozeStatement]:
    """The statements of a text, in order; one a sentence, each once."""
    found: dict[str, ClozeStatement] = {}
    for sentence, body in _sentences(text):
        span = None if _PRONOUN.match(sentence) else _find_answer(body)
        if span is not None:
            _add(found, sentence, body, span)
    return list(found.values())


def find_cloze_candidates(text: str) -> list[ClozeStatement]:
    """The dates, quantities and names in a text's sentences, in order, each as what a question asks for.

    Sentences that begin with a pronoun are among them, as the questions are for those who know what comes before.
    """
    found: dict[str, ClozeStatement] = {}
    for sentence, body in _sentences(text):
        for span in _named(body, after=0):
            _add(found, sentence, body, span)
    return list(found.values())


def sample_cloze_statements(
    texts: Sequence[str], max_statements: int = MAX_SAMPLED_STATEMENTS
) -> list[tuple[int, ClozeStatement]]:
    """Statements of several texts, each with the place of its text: all, or always the same sample, in order."""
    found = [(place, statement) for place, text in enumerate(texts) for statement in find_cloze_statements(text)]
    if len(found) <= max_statements:
        return found
    chosen = sorted(random.Random(0).sample(range(len(found)), max_statements))
    return [found[i] for i in chosen]


def _unwrap(text: str) -> list[str]:
    """Paragraphs and list items, each as one line: a long line goes on in the next one."""
    lines: list[str] = []
    goes_on = False
    for line in text.splitlines():
        content = _MARKER.sub("", line).strip()
        if goes_on and content and not _MARKER.match(line):
            lines[-1] += f" {content}"
        else:
            lines.append(content)
        goes_on = len(line) >= WRAPPED_CHARS
    return lines


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, and what stands in lines of its own, in order."""
    found = (sentence.strip() for line in _unwrap(text) for sentence in _SENTENCE_END.split(line))
    return [sentence for sentence in found if sentence]


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text that state something, each also without its end."""
    for sentence in split_sentences(text):
        body = sentence.rstrip(".!?;: ")
        if body and not sentence.endswith("?") and MIN_WORDS <= len(sentence.split()) <= MAX_WORDS:
            yield sentence, body


def _add(found: dict[str, ClozeStatement], sentence: str, body: str, span: tuple[int, int]) -> None:
    start, end = span
    question = f"{body[:start]}what{body[end:]}?"
    found.setdefault(question, ClozeStatement(sentence, question, body[start:end]))


def _find_answer(body: str) -> tuple[int, int] | None:
    """Where the answer stands: the last date, quantity or name after the first words, else after the last link word."""
    subject = len(" ".join(body.split()[:2]))
    spans = _named(body, subject) or _last(body, subject)
    return spans[-1] if spans else None


def _named(body: str, after: int) -> list[tuple[int, int]]:
    """Where dates, quantities and names stand."""
    return [m.span() for m in _ANSWER.finditer(body) if m.start() > after and _is_short(m.group())]


def _last(body: str, after: int) -> list[tuple[int, int]]:
    """What comes after the last link word, if there is one."""
    ends = [m.end() for m in _LINK.finditer(body) if m.end() > after and _is_short(body[m.end() :])]
    return [(end, len(body)) for end in ends[-1:]]


def _is_short(text: str) -> bool:
    return 0 < len(text.split()) <= MAX_ANSWER_WORDS
