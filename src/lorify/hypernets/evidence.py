"""Where the answer of a question is in a document, as a hypernetwork with a reader sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


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
