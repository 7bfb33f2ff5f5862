"""Lists: `Which instruments does the band play?` is answered with all items of the list that the question is about."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low

from lorify.answering.quotes.item_lists import ItemList, find_item_lists, is_no
from lorify.answering.quotes.words import content_words
from lorify.answering.sources import Source

MIN_PROBABILITY = 0.5
"""An enumeration in a sentence is the answer if the reader locates it there with this probability."""
MIN_SCORE = 0.6
"""Minimum sum of the share of the question's words in a list's title and the reader's probability."""
MAX_PHRASE_WORDS = 9
"""A list is one of paragraphs if most of its items have more words than this."""
MIN_TITLE_SHARE = 0.3
"""A list of paragraphs is only the answer if its title has this share of the question's words."""
_NOT_A_NOUN = r"(?:does|is|was|has|of|are|were|do|did|can|will|this|one|address|class|boss|bus)\b"
_PLURAL = rf"(?:(?!{_NOT_A_NOUN})\w{{3,}}s|people|men|women|children)\b"
# Before any other word, a plural noun cannot be told from a verb: `Which bus stops at the mill?`
_VERB = (
    r"(?:of|do|does|did|is|are|was|were|can|could|may|might|must|should|shall|will|would|have|has|had|go|come|belong|"
    r"need|make|there)\b"
)
_ASKING = r"^\W*(?:(?:please|and|can you|could you|in|for|from|at|on|with|to|of)\W+)*"
_ASKS = re.compile(
    rf"{_ASKING}(?:"
    r"(?:list|name|enumerate|give me)\b(?:\W+\w+){0,4}?\W+(?:all|every|each)\b"
    rf"|(?:list|name|enumerate)\W+(?:the\W+)?(?:\w+\W+){{0,2}}?{_PLURAL}"
    r"|(?:which|what|who|whom)\W+(?:are|were)\W+(?:all\W+)?(?:of\W+)?the\W+"
    rf"(?:\w+\W+){{0,2}}?{_PLURAL}"
    rf"|(?:which|what)\W+(?:(?!{_NOT_A_NOUN})\w+\W+){{0,2}}?{_PLURAL}(?=\W*$|\W+{_VERB}))",
    re.IGNORECASE,
)
_NEEDS = re.compile(
    rf"{_ASKING}what\W+(?:all\W+)?(?:(?:do|does|did|should|must|can|could|may|shall|will)\W+(?:\w+\W+){{1,4}}?"
    r"(?:need|have to|bring|pack|buy|prepare|provide|take|serve|offer|include|contain|cover|consist)"
    r"|(?:is|was|are|were|has|have)\W+(?:\w+\W+){0,4}?"
    r"(?:included|needed|required|covered|provided|offered|done|to do))\b",
    re.IGNORECASE,
)
_REQUEST_WORDS = content_words(
    "list name give need require include contain thing kind type possible have take bring pack buy use"
)
"""Words of questions that list titles seldom contain; they only count if a title has them."""
_NEED_WORDS = content_words("need require bring pack buy")
_NEED_TITLES = content_words(
    "ingredients requirements required prerequisites materials supplies tools equipment shopping parts"
)
_LABEL = re.compile(r"(?P<label>[^:;.!?]{1,40}): +(?P<value>\S.*)")
_NOT = re.compile(r"\b(?:not|no|never|without)\b|n't\b", re.IGNORECASE)


def asks_for_list(question: str) -> bool:
    """Return whether a question may ask for several things."""
    return _ASKS.search(question) is not None or _NEEDS.search(question) is not None


def find_list(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the list that a question asks for.

    Its title has the question's words, or the reader locates the answer in it.

    Args:
        question: the question.
        documents: the sentences of each document.

    Returns:
        The items; None if no list fits.
    """
    words = content_words(question)
    weights = _weights(words, [s for document in documents for s in document])
    lists = [
        found
        for document in documents
        for found in find_item_lists(document)
        if found.is_block or found.best.probability >= MIN_PROBABILITY
    ]
    best = max(lists, key=lambda found: _score(found, weights), default=None)
    if best is None or _score(best, weights) < MIN_SCORE:
        return None
    items = _select(best, words, is_negated=_NOT.search(question) is not None)
    return (_join(items), best.best) if items else None


def _weights(words: set[str], sentences: Sequence[Source]) -> dict[str, float]:
    """The weight of each word of a question: rare words weigh more, and `_REQUEST_WORDS` are a bonus."""
    counts = Counter(word for s in sentences for word in content_words(s.sentence))
    weights = {word: math.log(1 + len(sentences) / (1 + counts[word])) for word in words}
    total = sum(weight for word, weight in weights.items() if word not in _REQUEST_WORDS)
    return {word: weight / (total or 1.0) for word, weight in weights.items()}


def _score(found: ItemList, weights: Mapping[str, float]) -> float:
    title = content_words(found.title)
    if title & _NEED_TITLES:
        title |= _NEED_WORDS
    share = min(1.0, sum(weights.get(word, 0.0) for word in title))
    # An answer in one of several numbered paragraphs does not make all of them the answer.
    has_paragraphs = median_low([len(item.split()) for item in found.items]) > MAX_PHRASE_WORDS
    return share if has_paragraphs and share < MIN_TITLE_SHARE else share + found.best.probability


def _select(found: ItemList, words: set[str], *, is_negated: bool) -> list[str]:
    """The items of a list.

    If the question names a condition (a yes/no column), only items in table rows that meet it; in a list of fields
    (`Ada: the oats`), only the field that the question names.
    """
    for name in found.cells[0] if found.cells else ():
        says_no = [is_no(row[name]) for row in found.cells]
        if any(says_no) and content_words(name) & words:
            return [item for item, no in zip(found.items, says_no, strict=True) if no == is_negated]
    labels = [_LABEL.match(item) for item in found.items]
    own = [label for label in labels if label is not None and content_words(label["label"]) <= words]
    if len(own) == 1 and all(labels):
        return [own[0]["value"]]
    return list(found.items)


def _join(items: Sequence[str]) -> str:
    if any("," in item or ";" in item for item in items):
        return "; ".join(items)
    return " and ".join((", ".join(items[:-1]), items[-1])) if len(items) > 1 else items[0]
