"""Extend an answer from the document's text: the rest of a list, or the only address in it."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.answering.json_fields.fields import JsonField, JsonValue
from lorify.answering.json_fields.values import address_pattern, read_items
from lorify.answering.quotes.item_lists import MIN_ENUMERATED, find_item_lists
from lorify.answering.sources import find_source, sentences_of
from lorify.base.token_texts import Decode
from lorify.hypernets.evidence import TokenEvidence


def whole_list(text: str, evidence: Sequence[TokenEvidence], decode: Decode) -> str:
    """Return all items of the list that an answer was taken from, separated by semicolons.

    Args:
        text: the answer: one item or several. `MIN_ENUMERATED` or more are taken for the whole list.
        evidence: the documents that were asked.
        decode: token ids -> text.

    Returns:
        The items; the answer itself if it is not from a list.
    """
    source = find_source(evidence, text, decode)
    named = {item.casefold() for item in read_items(text)}
    if source is None or len(named) >= MIN_ENUMERATED:
        return text
    for document in evidence:
        if document.document != source.document:
            continue
        for listed in find_item_lists([s for s in sentences_of(document, decode) if s.sentence]):
            items = {item.casefold() for item in listed.items}
            if source in listed.sources and named & items:
                return "; ".join(listed.items)
    return text


def only_address(field: JsonField, evidence: Sequence[TokenEvidence], decode: Decode) -> JsonValue:
    """Return the only mail or web address in the documents, if a field asks for one; None if there is not just one."""
    pattern = address_pattern(field)
    if pattern is None:
        return None
    found = {match[0] for document in evidence for match in pattern.finditer(decode(document.ids))}
    return found.pop() if len(found) == 1 else None
