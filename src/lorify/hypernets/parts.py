"""Adapters in parts: the interface of hypernetworks that can divide an adapter into one adapter per clause."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Protocol

from lorify.adapters import Adapter
from lorify.hypernets.relevance import Relevance


@dataclass(frozen=True)
class DocumentPart:
    """An adapter of a clause of a document.

    Attributes:
        document: name of the document.
        document_number: number of the document, from 1; several may have the same name.
        passage: number of the passage that contains the clause, from 1 over all documents.
        text: the clause, with the whitespace before it: joined, the clauses of a document give its text.
        adapter: its adapter. It has no statistics, so it cannot be changed or focused.
    """

    document: str
    document_number: int
    passage: int
    text: str
    adapter: Adapter


class DividedAdapter(Sized, Iterable[DocumentPart], Protocol):
    """The parts of an adapter in text order; each is made when the iteration reaches it."""


class AdapterDivider(Protocol):
    """Divides the adapters of a hypernetwork."""

    @property
    def relevance(self) -> Relevance | None:
        """Word weights to choose a part for a question; None if the hypernetwork has none."""
        ...

    def divide(self, adapter: Adapter) -> DividedAdapter:
        """Divide an adapter into at least one part.

        Args:
            adapter: an adapter that keeps the tokens of its documents, or their index.

        Raises:
            AdapterError: if another hypernetwork made it, it was refined or studied, a document's tokens are not kept,
                or its documents are too short.
        """
        ...
