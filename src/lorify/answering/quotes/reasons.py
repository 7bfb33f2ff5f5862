"""Reasons: `Why was the bridge closed?` is answered with the clause or sentence that gives the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorify.answering.quotes.words import content_words
from lorify.answering.sources import Source, is_question

MIN_SCORE = 0.5
"""A sentence is about the event if the reader's probability and its share of the question's words add up to this."""
CLAUSE_BONUS = 0.3
"""Added to the score of a sentence that gives a reason in a clause."""
MIN_FOLLOWING = 0.15
"""One of the next sentences gives the reason if the reader locates the answer there with this probability."""
NUM_FOLLOWING = 3
MIN_WORDS = 4
_WHY = re.compile(
    r"^\W*(?:(?:and|but|so)\W+)?(?:why|how come|for what reason|what (?:is|was|were|are) the reasons?)\b", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"(?:\b(?:because|due to|owing to|thanks to|in order to|so that|on account of)\b"
    r"|(?<=, )(?:since|as)\b(?! (?:well|soon|long|far)\b)).*",
    re.IGNORECASE | re.DOTALL,
)
_BACK = re.compile(r"^\W*(?:this|that|it) (?:is|was) (?:because|why|due)\b|^\W*(?:the|one) reason\b", re.IGNORECASE)


def asks_for_reason(question: str) -> bool:
    """Return whether a question asks for a reason."""
    return _WHY.search(question) is not None


def find_reason(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the reason that a question asks for: in the sentence about the event, or soon after it.

    Args:
        question: the question.
        documents: the sentences of each document.
    """
    words = content_words(question)
    shares = [[_share(words, sentence) for sentence in document] for document in documents]
    scores = {
        (d, i): sentence.probability + shares[d][i] + CLAUSE_BONUS * (_CLAUSE.search(sentence.sentence) is not None)
        for d, document in enumerate(documents)
        for i, sentence in enumerate(document)
    }
    d, i = max(scores, key=scores.__getitem__)
    found = documents[d][i]
    if found.probability + shares[d][i] < MIN_SCORE:
        return None
    if _CLAUSE.search(found.sentence) is None:
        found = _following_reason(documents[d][i + 1 : i + 1 + NUM_FOLLOWING], found)
    sentence = " ".join(found.sentence.split())
    clause = _CLAUSE.search(sentence)
    return (clause.group() if clause else sentence), found


def _following_reason(following: Sequence[Source], about: Source) -> Source:
    """The sentence that gives the reason for what the previous one says or asks; the previous one if there is none."""
    for sentence in following:
        text = sentence.sentence
        if _CLAUSE.search(text) or _BACK.search(text) or sentence.probability >= MIN_FOLLOWING:
            return sentence
    answers = [s for s in following if len(s.sentence.split()) >= MIN_WORDS]
    return answers[0] if answers and is_question(about.sentence) else about


def _share(words: set[str], sentence: Source) -> float:
    return len(words & content_words(sentence.sentence)) / max(1, len(words))
