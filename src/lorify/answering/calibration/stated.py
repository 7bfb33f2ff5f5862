"""Whether the documents state an answer, or the adapter made it up.

Signals of an answer with an adapter on: its surprisal, the reader's probabilities, and whether the documents contain
it. A logistic regression combines them. It is fitted on right answers, and on answers to questions that a document does
not answer (`lorify.evaluation.scoring.stated`), and saved beside the weights of the hypernetwork.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, field_validator

from lorify.answering.calibration.confidence import Signals
from lorify.answering.calibration.fitted import FittedModel, log_odds
from lorify.answering.sources import Source, can_be_quoted
from lorify.data.answers import contains_answer

_OR = re.compile(r"\bor\b", re.IGNORECASE)


class StatedSignals(NamedTuple):
    """Signals for whether an answer is stated.

    Attributes:
        most: logarithm of the largest surprisal of its tokens.
        located: log-odds of the most probable token of all documents, according to the reader.
        quoted: 1 if the answer's source contains it, else -1.
        verdict: 1 if the answer is yes, no, empty, or offered by the question (`Is it red or blue?`), else 0. Documents
            need not contain such an answer, so the reader may not locate it, and `located`, `quoted` and `extracted`
            are 0.
        extracted: log-odds that the documents answer the question, according to the extractor; 0 without one.
    """

    most: float
    located: float
    quoted: float
    verdict: float
    extracted: float = 0.0


class StatedModel(FittedModel):
    """A logistic regression from signals to the probability that the documents state an answer.

    Answers with a probability below `threshold` are withheld.
    """

    file_name: ClassVar[str] = "stated.json"
    command: ClassVar[str] = "lorify eval stated --save"

    weights: tuple[float, float, float, float, float] = Field(
        description=f"Log-odds per unit of {', '.join(StatedSignals._fields)}."
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _add_extracted(cls, weights: Any) -> Any:
        """Set the extractor's weight to 0 in models that were fitted before there was one."""
        return (*weights, 0.0) if isinstance(weights, list | tuple) and len(weights) == 4 else weights


def stated_signals(
    text: str, surprisal: Signals, source: Source, located: float, *, question: str = "", extracted: float | None = None
) -> StatedSignals:
    """Compute the signals of an answer.

    Args:
        text: the answer.
        surprisal: signals of its confidence.
        source: its source.
        located: probability of the most probable token of all documents.
        question: the question.
        extracted: probability that the documents answer the question, according to the extractor; None without one.
    """
    if not can_be_quoted(text) or _is_offered(question, text):
        return StatedSignals(surprisal.most, 0.0, 0.0, 1.0)
    quoted = 1.0 if contains_answer(source.sentence, [text]) else -1.0
    by_extractor = 0.0 if extracted is None else log_odds(extracted)
    return StatedSignals(surprisal.most, log_odds(located), quoted, 0.0, by_extractor)


def _is_offered(question: str, answer: str) -> bool:
    """Whether a question names its possible answers, and this is one of them."""
    return _OR.search(question) is not None and contains_answer(question, [answer])
