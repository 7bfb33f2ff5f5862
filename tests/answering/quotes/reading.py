"""Documents as the reader sees them, with a token for each character."""

import torch

from lorify.answering.quotes import find_quote, quote_kind
from lorify.hypernets.evidence import TokenEvidence


def evidence(text: str, located: str = "", name: str = "document") -> TokenEvidence:
    """A document in which the reader finds an answer at the words `located`, and nowhere else."""
    probabilities = torch.zeros(len(text))
    if located:
        start = text.index(located)
        probabilities[start : start + len(located)] = 0.9
    return TokenEvidence(name, [ord(character) for character in text], probabilities)


def decode(ids) -> str:
    return "".join(map(chr, ids))


def quote(question: str, *documents: TokenEvidence) -> str | None:
    kind = quote_kind(question)
    found = None if kind is None else find_quote(kind, question, documents, decode)
    return found.text if found else None
