"""The scores of Doc-to-LoRA's evaluation of short answers: word F1, precision and recall.

    precision = common words / words of the answer      recall = common words / words of the reference

Words are compared after normalization. It differs from that of SQuAD: punctuation separates words instead of being
deleted (`U.S.` is two words), and typographic dashes, quotation marks and invisible characters become plain ones first.
An answer without words scores 0.

Source: Doc-to-LoRA (arXiv 2602.15902), `normalize_answer` and `compute_qa_f1_score` of github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_PLAIN = str.maketrans(
    dict.fromkeys("\u2014\u2013", "-")
    | dict.fromkeys("\u201c\u201d\u00ab\u00bb\u201e", '"')
    | dict.fromkeys("\u2018\u2019\u02bc", "'")
    | {"\u2026": "...", "\u00a0": " "}
)
# All of ASCII's punctuation but the backslash, which the published pattern reads as an escape.
_SEPARATORS = str.maketrans(dict.fromkeys(string.punctuation.replace("\\", ""), " "))
_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True)
class WordOverlap:
    """Agreement of an answer with a reference, from 0 to 1."""

    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0


def answer_words(text: str) -> list[str]:
    """Split a text into its words after normalization."""
    plain = _INVISIBLE.sub("", text).translate(_PLAIN).lower()
    return _ARTICLES.sub(" ", plain.translate(_SEPARATORS)).split()


def word_overlap(prediction: str, answers: Sequence[str]) -> WordOverlap:
    """Compute F1, precision and recall against the answer with the largest F1."""
    predicted = answer_words(prediction)
    overlaps = [_overlap(predicted, answer_words(answer)) for answer in answers]
    return max(overlaps, key=lambda overlap: overlap.f1)


def _overlap(predicted: list[str], expected: list[str]) -> WordOverlap:
    common = (Counter(predicted) & Counter(expected)).total()
    if not common:
        return WordOverlap()
    precision, recall = common / len(predicted), common / len(expected)
    return WordOverlap(2 * precision * recall / (precision + recall), precision, recall)
