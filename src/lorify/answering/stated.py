"""Whether the documents state an answer, or the adapter made it up.

Signals of an answer with an adapter on: its surprisal, the reader's probabilities, and whether the documents contain
it. A logistic regression combines them. It is fitted on right answers, and on answers to questions that a document does
not answer (`lorify.evaluation.scoring.stated`), and saved beside the weights of the hypernetwork.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

from pydantic import Field

from lorify.answering.confidence import Signals
from lorify.answering.fitted import FittedModel
from lorify.answering.sources import Source, can_be_quoted
from lorify.data.answers import contains_answer

MIN_PROBABILITY = 1e-3


class StatedSignals(NamedTuple):
    """Signals of whether an answer is stated.

    Attributes:
        most: logarithm of the largest surprisal of its tokens.
        located: log-odds that the reader gives to the most probable token of all documents.
        quoted: 1 if the answer's source contains it, else -1.
        verdict: 1 if the answer is yes, no or empty, else 0. Documents do not contain such an answer, so that the
            reader cannot locate it: `located` and `quoted` are 0 then.
    """

    most: float
    located: float
    quoted: float
    verdict: float


class StatedModel(FittedModel):
    """A logistic regression from signals to the probability that the documents state an answer.

    Answers with a probability below `threshold` are withheld.
    """

    file_name: ClassVar[str] = "stated.json"
    command: ClassVar[str] = "lorify eval stated --save"

    weights: tuple[float, float, float, float] = Field(
        description=f"Log-odds per unit of {', '.join(StatedSignals._fields)}."
    )


def stated_signals(text: str, surprisal: Signals, source: Source, located: float) -> StatedSignals:
    """Compute the signals of an answer.

    Args:
        text: the answer.
        surprisal: signals of its confidence.
        source: its source.
        located: probability of the most probable token of all documents.
    """
    if not can_be_quoted(text):
        return StatedSignals(surprisal.most, 0.0, 0.0, 1.0)
    quoted = 1.0 if contains_answer(source.sentence, [text]) else -1.0
    return StatedSignals(surprisal.most, _log_odds(located), quoted, 0.0)


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(clipped / (1 - clipped))
