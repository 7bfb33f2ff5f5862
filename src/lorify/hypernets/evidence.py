"""What a hypernetwork prepares for a question: the adapter to answer it with, and where documents answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lorify.adapters import Adapter


@dataclass(frozen=True)
class TokenEvidence:
    """The tokens of a document, and how likely each belongs to the answer of a question.

    Attributes:
        document: name of the document.
        ids: its tokens, in order.
        probabilities: probability that each token belongs to the answer `[tokens]`.
    """

    document: str
    ids: Sequence[int]
    probabilities: Tensor


@dataclass(frozen=True)
class PreparedAdapter:
    """The adapter to answer a question with.

    Attributes:
        adapter: a focused adapter or the one that was given; None if it is off for this question.
        evidence: where its documents answer the question, as `DocumentInternalizer.locate` returns it; None if the
            reader was not needed, so that it has not run.
    """

    adapter: Adapter | None
    evidence: Sequence[TokenEvidence] | None = None
