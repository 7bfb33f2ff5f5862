"""What the text of documents adds to the words that answer a question: the rest of a list, the only address."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.answering.json_fields.fields import JsonField, JsonValue
from lorify.answering.json_fields.values import address_pattern, read_items
from lorify.answering.quotes.item_lists import MIN_ENUMERATED, find_item_lists
from lorify.answering.sources import find_source, sentences_of
from lorify.base.token_texts import Decode
from lorify.hypernets.evidence import TokenEvidence


def whole_list(text: str, evidence: Sequence[TokenEvidence], decode: Decode) -> str:
    """Return all items of the list that words of a document are from, separated by semicolons.

    Args:
        text: the words: one item or several; as many as make an enumeration are taken for the whole list.
        evidence: the documents that were asked.
        decode: token ids -> text.

    Returns:
        The items; the same words if they are from no list.
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
    """Return the only mail or web address of documents, if a field asks for one; None if there is none or several."""
    pattern = address_pattern(field)
    if pattern is None:
        return None
    found = {match[0] for document in evidence for match in pattern.finditer(decode(document.ids))}
    return found.pop() if len(found) == 1 else None
