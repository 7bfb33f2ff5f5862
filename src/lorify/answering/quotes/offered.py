"""Choices: `Is it given in grams or in kilograms?` is answered with the choice that the document names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lorify.answering.quotes.words import content_words, is_function_word, last_sentence
from lorify.answering.sources import Source
from lorify.contexts.texts.words import find_words, stem_words

BEFORE_COST = 2
"""The distance of a choice that comes before the question's other words is multiplied by this."""
DISTANCE_COST = 0.02
"""Cost per word between a choice and the nearest of the question's other words."""
MAX_DISTANCE = 15
NEGATION_COST = 0.6
"""Cost of a negation shortly before a choice: `in the pool, never in the lake`."""
NEGATION_WORDS = 3
MAX_CHOICE_WORDS = 6
_OR = re.compile(r"\s+or\s+(?!not\b)", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:is|are|was|were|do|does|did|can|could|will|would|should|shall|may|must|has|have|had|"
    r"which|what|who|whom|whose|where|when|whether)\b",
    re.IGNORECASE,
)
_LEADING = frozenset("a an the of in on at to for by with from as into under over before after".split())
"""Function words that can begin an answer."""
_NEGATION = frozenset({"not", "no", "never", "without", "instead", "than", "t"})


def offers_choices(question: str) -> bool:
    """Return whether a question names two possible answers."""
    return choices_of(question) is not None


def choices_of(question: str) -> tuple[str, str] | None:
    """Find the two answers that a question offers: the words around `or`, up to function words such as prepositions.

    Returns:
        The choices as written in the question; None if it offers none.
    """
    parts = _OR.split(last_sentence(question).rstrip("?!. "))
    if len(parts) != 2 or _VERB.search(parts[0]) is None:
        return None
    first = _last_phrase(parts[0])
    second = _first_phrase(parts[1], len(_stems(first)))
    return (first, second) if first and second and first.casefold() != second.casefold() else None


def _last_phrase(text: str) -> str:
    """The words after the last function words of a text, with those included if they can begin an answer."""
    words = re.split(r"[,;:]\s*", text)[-1].split()
    start = len(words)
    while start and len(words) - start < MAX_CHOICE_WORDS and not is_function_word(words[start - 1]):
        start -= 1
    if start == len(words):
        return ""
    while start and words[start - 1].casefold() in _LEADING:
        start -= 1
    return " ".join(words[start:])


def _first_phrase(text: str, num_words: int) -> str:
    """The words at the beginning of a text up to a function word, or as many as the other choice has."""
    words = re.split(r"[,;:]", text)[0].split()
    start = next((i for i, word in enumerate(words) if word.casefold() not in _LEADING), len(words))
    rest = words[start:]
    end = next((i for i, word in enumerate(rest) if is_function_word(word)), len(rest))
    return " ".join(words[: start + (end if end <= num_words + 1 else num_words)]) if end else ""


def find_choice(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find which of the answers offered by a question the documents give.

    A sentence must name the choice near the question's other words.

    Args:
        question: a question for which `offers_choices` is true.
        documents: the sentences of each document.

    Returns:
        The choice; None if no sentence about the question names one of them.
    """
    choices = choices_of(question)
    assert choices is not None
    sentences = [sentence for document in documents for sentence in document]
    words = [stem_words([word for word, _ in find_words(s.sentence)]) for s in sentences]
    stems = [_stems(choice) for choice in choices]
    both = set(stems[0]) & set(stems[1])
    others = content_words(question) - set(stems[0]) - set(stems[1])
    counts = Counter(word for each in words for word in set(each))
    weights = {word: math.log(1 + len(sentences) / (1 + counts[word])) for word in others}
    found = [
        (score, choice, sentence)
        for choice, own in zip(choices, stems, strict=True)
        for sentence, each in zip(sentences, words, strict=True)
        if (score := _score([w for w in own if w not in both] or own, each, weights, sentence.probability)) is not None
    ]
    if not found:
        return None
    _, choice, sentence = max(found, key=lambda item: item[0])
    return choice, sentence


def _stems(choice: str) -> list[str]:
    return stem_words([word for word, _ in find_words(choice) if not is_function_word(word)])


def _score(
    choice: Sequence[str], sentence: Sequence[str], weights: Mapping[str, float], probability: float
) -> float | None:
    """How well a sentence names a choice as the answer; None if it does not name it."""
    positions = [i for i, word in enumerate(sentence) if word == choice[0]]
    if not positions or not set(choice) <= set(sentence):
        return None
    known = {word for word in sentence if word in weights}
    share = sum(weights[word] for word in known) / (sum(weights.values()) or 1.0)
    near = [i for i, word in enumerate(sentence) if word in known]
    costs = []
    for position in positions:
        distances = (position - i if i < position else BEFORE_COST * (i - position) for i in near)
        distance = min(distances, default=MAX_DISTANCE)
        negated = bool(_NEGATION & set(sentence[max(0, position - NEGATION_WORDS) : position]))
        costs.append(DISTANCE_COST * min(distance, MAX_DISTANCE) + NEGATION_COST * negated)
    return share + probability - min(costs)
