"""Whether the documents state an answer, or the adapter made it up.

Signals of an answer with an adapter on: its surprisal, what the reader thinks of the documents' tokens, whether the
documents contain the answer, and whether it is of the type that the question asks for. A logistic regression combines
them. It is fitted on right answers, and on answers to questions that a document does not answer
(`lorify.evaluation.scoring.stated`), and saved beside the weights of the hypernetwork.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from lorify.answering.confidence import Signals
from lorify.answering.fitted import FittedModel, load_fitted, save_fitted
from lorify.answering.question_types import fits_question
from lorify.answering.sources import Source, can_be_quoted
from lorify.data.answers import contains_answer

STATED_NAME = "stated.json"
MIN_PROBABILITY = 1e-3


class StatedSignals(NamedTuple):
    """Signals of whether an answer is stated.

    Attributes:
        mean: logarithm of the mean surprisal of its tokens.
        most: logarithm of the largest surprisal of its tokens.
        located: log-odds that the reader gives to the most probable token of all documents.
        source: log-odds that it gives to the most probable token of the answer's source.
        quoted: 1 if the source contains the answer, else -1.
        fits: see `fits_question`.
        verdict: 1 if the answer is yes, no or empty, else 0. Documents do not contain such an answer, so that the
            reader cannot locate it: `located`, `source` and `quoted` are 0 then.
    """

    mean: float
    most: float
    located: float
    source: float
    quoted: float
    fits: float
    verdict: float


class StatedModel(FittedModel):
    """A logistic regression from signals to the probability that the documents state an answer.

    Answers with a probability below `threshold` are withheld.
    """

    weights: tuple[float, float, float, float, float, float, float] = Field(
        description=f"Log-odds per unit of {', '.join(StatedSignals._fields)}."
    )


def save_stated_model(folder: Path, model: StatedModel) -> Path:
    """Write the model beside a hypernetwork and return its path.

    Raises:
        HypernetworkError: if the file cannot be written.
    """
    return save_fitted(folder / STATED_NAME, model)


def load_stated_model(folder: Path, hypernetwork_digest: str) -> StatedModel | None:
    """Read the model that was saved beside a hypernetwork.

    Returns:
        The model; None if there is none, or it was fitted for other weights.

    Raises:
        HypernetworkError: if the file is damaged.
    """
    command = "lorify eval stated --save"
    return load_fitted(folder / STATED_NAME, StatedModel, hypernetwork_digest, fitted_with=command)


def stated_signals(question: str, text: str, surprisal: Signals, source: Source, located: float) -> StatedSignals:
    """Compute the signals of an answer.

    Args:
        question: the question.
        text: the answer.
        surprisal: signals of its confidence.
        source: its source.
        located: probability of the most probable token of all documents.
    """
    fits = fits_question(question, text)
    if not can_be_quoted(text):
        return StatedSignals(surprisal.mean, surprisal.most, 0.0, 0.0, 0.0, fits, 1.0)
    quoted = 1.0 if contains_answer(source.sentence, [text]) else -1.0
    places = _log_odds(located), _log_odds(source.probability)
    return StatedSignals(surprisal.mean, surprisal.most, *places, quoted, fits, 0.0)


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(clipped / (1 - clipped))
