"""Lists: `Which instruments does the band play?` is answered with all items where the reader locates the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median_low

from lorify.answering.sources import Source

MIN_PROBABILITY = 0.5
"""The reader has to find the answer in the sentence with this probability."""
MIN_ITEMS = 3
MAX_ITEM_WORDS = 6
_NOT_A_NOUN = r"(?:does|is|was|has|of|are|were|do|did|can|will|this|one|address|class|boss|bus)\b"
_PLURAL = rf"(?:(?!{_NOT_A_NOUN})\w{{3,}}s|people|men|women|children)\b"
_ASKS = re.compile(
    r"^\W*(?:(?:please|and|can you|could you)\W+)*(?:"
    r"(?:list|name|enumerate|give me)\b(?:\W+\w+){0,4}?\W+(?:all|every|each)\b"
    rf"|(?:list|name|enumerate)\W+(?:the\W+)?(?:\w+\W+){{0,2}}?{_PLURAL}"
    r"|(?:which|what|who|whom)\W+(?:are|were)\W+(?:all\W+)?(?:of\W+)?the\W+"
    rf"(?:\w+\W+){{0,2}}?{_PLURAL}"
    rf"|(?:which|what)\W+(?:(?!{_NOT_A_NOUN})\w+\W+){{0,2}}?{_PLURAL})",
    re.IGNORECASE,
)
_ITEM = r"[^,;:.!?()\n]+"
_ENUMERATION = re.compile(rf"(?:{_ITEM}[,;]\s+)+(?:and |or )?{_ITEM}(?:,? (?:and|or) {_ITEM})?")
_SEPARATOR = re.compile(r"[,;]\s+(?:and |or )?|\s+(?:and|or)\s+")
_CLAUSE_WORD = re.compile(
    r"\b(?:which|who|that|when|where|while|is|are|was|were|has|have|had|but|because)\b", re.IGNORECASE
)

_AFTER = re.compile(
    r"\s+(?:on|in|at|for|from|with|to|by|during|every|each|until|as|after|before|since|under|near|are|is|were|was)\b.*"
)


def asks_for_list(question: str) -> bool:
    """Return whether a question may ask for several things."""
    return _ASKS.search(question) is not None


def find_list(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the enumeration that a question asks for, in the sentence where the reader locates the answer.

    Args:
        question: the question.
        documents: the sentences of each document.

    Returns:
        The items as the sentence has them; None if it has no enumeration of at least `MIN_ITEMS` short items.
    """
    best = max((s for document in documents for s in document), key=lambda s: s.probability)
    if best.probability < MIN_PROBABILITY:
        return None
    found = [items for match in _ENUMERATION.finditer(best.sentence) if (items := _items(match.group()))]
    if len(found) != 1:
        return None
    return f"{', '.join(found[0][:-1])} and {found[0][-1]}", best


def _items(text: str) -> list[str] | None:
    """The items of an enumeration: the first without the words that lead to it, the last without what follows it."""
    parts = [" ".join(part.split()) for part in _SEPARATOR.split(text) if part.strip()]
    middle = parts[1:-1]
    if len(parts) < MIN_ITEMS or any(len(p.split()) > MAX_ITEM_WORDS or _CLAUSE_WORD.search(p) for p in middle):
        return None
    lengths = [len(part.split()) for part in middle]
    last = _AFTER.sub("", " ".join(parts[-1].split()[: max(lengths) + 1])) or parts[-1]
    return [" ".join(parts[0].split()[-median_low(lengths) :]), *middle, last]
