"""Confidence: the probability that an adapter's answer is right, estimated from the answer and the documents.

Two signals are measured in one forward pass with the adapter: the mean and the maximum surprisal of the answer's
tokens, where a token of probability p has the surprisal -log p. Both range over powers of ten, so their logarithms are
used. The third is how likely quoted words are the answer. The others indicate whether the documents state it (see
`lorify.answering.calibration.stated`). A logistic regression combines them. It is fitted once per hypernetwork, on
questions with known answers (`lorify.evaluation.scoring.confidence`), and saved next to its weights.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field, field_validator

from lorify.answering.calibration.fitted import FittedModel, log_odds
from lorify.answering.plan import AnswerPlan
from lorify.answering.teacher_forcing import teacher_forced_log_probabilities
from lorify.base.model import BaseLM

MIN_SURPRISAL, MAX_SURPRISAL = 1e-4, 10.0


class Signals(NamedTuple):
    """Signals of an answer.

    Attributes:
        mean: logarithm of the mean surprisal of its tokens.
        most: logarithm of their largest surprisal.
        span: log-odds of words that are quoted; 0 if the base wrote the answer.
    """

    mean: float
    most: float
    span: float = 0.0


NO_ANSWER = Signals(math.log(MAX_SURPRISAL), math.log(MAX_SURPRISAL))
"""Signals of an empty answer."""


class ConfidenceSignals(NamedTuple):
    """Signals for whether an answer is right.

    Attributes:
        mean: as for `Signals`.
        most: as for `Signals`.
        span: as for `Signals`.
        located: as for `StatedSignals`, like the following; 0 if the source of the answer is unknown.
        quoted: as for `StatedSignals`.
        verdict: as for `StatedSignals`.
        extracted: as for `StatedSignals`.
    """

    mean: float
    most: float
    span: float
    located: float = 0.0
    quoted: float = 0.0
    verdict: float = 0.0
    extracted: float = 0.0


class ConfidenceModel(FittedModel):
    """A logistic regression from the signals of an answer to the probability that it is right.

    Answers with a probability below `threshold` are doubtful.
    """

    file_name: ClassVar[str] = "confidence.json"
    command: ClassVar[str] = "lorify eval confidence --save"

    weights: tuple[float, float, float, float, float, float, float] = Field(
        description=f"Log-odds per unit of {', '.join(ConfidenceSignals._fields)}."
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _add_signals(cls, weights: Any) -> Any:
        """Set missing weights to 0: earlier models were fitted to fewer signals."""
        missing = len(ConfidenceSignals._fields) - len(weights) if isinstance(weights, list | tuple) else 0
        return (*weights, *[0.0] * missing) if 0 < missing < len(ConfidenceSignals._fields) - 1 else weights

    def is_doubtful(self, probability: float) -> bool:
        """Return whether the user should be warned about an answer with this probability."""
        return probability < self.threshold


def surprisal_signals(base: BaseLM, plan: AnswerPlan, text: str) -> Signals:
    """Measure the signals of an answer in one forward pass.

    Args:
        base: the base.
        plan: the prompt that was answered, and the adapters it was answered with.
        text: the answer.
    """
    if not text:
        return NO_ANSWER
    target = base.encode_text(f" {text}")
    (log,) = teacher_forced_log_probabilities(base, plan, [target[:-1]])  # [targets, vocabulary]
    surprisals = -log[torch.arange(len(target)), torch.tensor(target)]
    mean, most = (min(max(float(x), MIN_SURPRISAL), MAX_SURPRISAL) for x in (surprisals.mean(), surprisals.max()))
    quote = plan.quote_given(text)
    return Signals(math.log(mean), math.log(most), log_odds(quote.probability) if quote is not None else 0.0)
