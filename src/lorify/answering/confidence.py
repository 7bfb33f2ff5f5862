"""Confidence: the probability that an adapter's answer is right, estimated from the answer alone.

Two signals are measured in one forward pass with the adapter: the mean and the maximum surprisal of the answer's
tokens, where a token of probability p has the surprisal -log p. Both range over powers of ten, so their logarithms are
used. A logistic regression combines them. It is fitted once for a hypernetwork, on questions with known answers
(`lorify.evaluation.scoring.confidence`), and saved beside its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from lorify.adapters import build_lora_batch
from lorify.answering.plan import AnswerPlan
from lorify.atomic import replaced_file
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError, first_problem

CONFIDENCE_NAME = "confidence.json"
MIN_SURPRISAL, MAX_SURPRISAL = 1e-4, 10.0


class Signals(NamedTuple):
    """Logarithms of the mean and the maximum surprisal of an answer's tokens."""

    mean: float
    most: float


NO_ANSWER = Signals(math.log(MAX_SURPRISAL), math.log(MAX_SURPRISAL))
"""Signals of an empty answer."""


class ConfidenceModel(BaseModel):
    """A logistic regression from the signals of an answer to the probability that it is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hypernetwork_digest: str = Field(description="SHA-256 of the weights of the hypernetwork that it was fitted for.")
    bias: float = Field(description="Log-odds where all signals are 0.")
    weights: tuple[float, float] = Field(description=f"Log-odds per unit of {', '.join(Signals._fields)}.")
    threshold: float = Field(ge=0, le=1, description="Answers with a lower probability are doubtful.")
    auroc: float = Field(ge=0, le=1, description="AUROC on documents that it was not fitted to.")
    questions: int = Field(gt=0, description="Number of questions that it was fitted to.")

    def probability(self, signals: Sequence[float]) -> float:
        """Compute the probability that an answer with these signals is right."""
        odds = self.bias + sum(w * x for w, x in zip(self.weights, signals, strict=True))
        return 1 / (1 + math.exp(-odds))

    def is_doubtful(self, probability: float) -> bool:
        """Return whether the user should be warned of an answer with this probability."""
        return probability < self.threshold


def answer_signals(base: BaseLM, plan: AnswerPlan, text: str) -> Signals:
    """Measure the signals of an answer in one forward pass.

    Args:
        base: the base.
        plan: the prompt that was answered, and the adapters it was answered with.
        text: the answer.
    """
    if not text:
        return NO_ANSWER
    surprisals = _surprisals(base, plan, base.encode_text(f" {text}"))
    mean, most = (min(max(float(x), MIN_SURPRISAL), MAX_SURPRISAL) for x in (surprisals.mean(), surprisals.max()))
    return Signals(math.log(mean), math.log(most))


@torch.inference_mode()
def _surprisals(base: BaseLM, plan: AnswerPlan, target: Sequence[int]) -> Tensor:
    """Surprisal of each target token after the prompt and the targets before it `[targets]`."""
    ids = torch.tensor([[*plan.prompt_ids, *target[:-1]]], device=base.device)
    with base.hooks.applied(build_lora_batch([plan.adapters], base)):
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
    log = base.logits(hidden[0, len(plan.prompt_ids) - 1 :]).log_softmax(-1)  # [targets, vocabulary]
    return -log[torch.arange(len(target)), torch.tensor(target)]


def save_confidence_model(folder: Path, model: ConfidenceModel) -> Path:
    """Write the model beside a hypernetwork and return its path.

    Raises:
        HypernetworkError: if the file cannot be written.
    """
    path = folder / CONFIDENCE_NAME
    try:
        with replaced_file(path) as temporary:
            temporary.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise HypernetworkError(f"{path} cannot be written ({error.strerror}); give a writable folder") from error
    return path


def load_confidence_model(folder: Path, hypernetwork_digest: str) -> ConfidenceModel | None:
    """Read the model that was saved beside a hypernetwork.

    Returns:
        The model; None if there is none, or it was fitted for other weights.

    Raises:
        HypernetworkError: if the file is damaged.
    """
    path = folder / CONFIDENCE_NAME
    try:
        model = ConfidenceModel.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error
        raise HypernetworkError(
            f"{path} is damaged ({reason}); delete it, then fit it again with `lorify eval confidence --save`"
        ) from error
    return model if model.hypernetwork_digest == hypernetwork_digest else None
