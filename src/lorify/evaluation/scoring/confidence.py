"""How likely an adapter's answer is right, from the answer alone: what makes `ask` warn.

Two signals are read from one forward pass with the adapter: how surprising the answer's tokens are, in the mean and at
the most, where a token of probability p has the surprise -log p. Both range over powers of ten and are taken as
logarithms. A logistic regression joins them; it is fitted once for a hypernetwork, on questions whose answers are
known, and lies beside its weights.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.adapters import AdapterLike, build_lora_batch
from lorify.atomic import replaced_file
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.errors import EvaluationError

CONFIDENCE_NAME = "confidence.json"
SIGNALS = ("mean", "most")
LEAST_SURPRISE, MOST_SURPRISE = 1e-4, 10.0
OF_NOTHING = (math.log(MOST_SURPRISE), math.log(MOST_SURPRISE))
RIDGE = 1.0
NEWTON_STEPS = 25
FOLDS = 5


class Confidence(BaseModel):
    """Signals -> probability that the answer is right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hypernetwork_digest: str = Field(description="SHA-256 of the weights of the hypernetwork that it was fitted for.")
    bias: float = Field(description="Log-odds where all signals are 0.")
    weights: tuple[float, float] = Field(description=f"Log-odds for each unit of {', '.join(SIGNALS)}.")
    threshold: float = Field(ge=0, le=1, description="Answers less probably right than this are warned of.")
    auroc: float = Field(ge=0, le=1, description="How well it told right from wrong on documents it was not fitted to.")
    questions: int = Field(gt=0, description="Number of questions that it was fitted to.")

    def probability(self, signals: Sequence[float]) -> float:
        """Probability that an answer with these signals is right."""
        odds = self.bias + sum(w * x for w, x in zip(self.weights, signals, strict=True))
        return float(1 / (1 + np.exp(-odds)))


def answer_signals(
    base: BaseLM, questions: Sequence[str], answers: Sequence[str], rows: Sequence[AdapterLike]
) -> list[tuple[float, float]]:
    """The signals of answers.

    Args:
        base: the base.
        questions: the questions.
        answers: what was answered; an empty one counts as a surprising one.
        rows: what each was answered with.
    """
    prompts = [build_prompt_ids(base.tokenizer, question_messages(question)) for question in questions]
    targets = [base.encode_text(f" {answer}") if answer else [] for answer in answers]
    signals = []
    for prompt, target, row in zip(prompts, targets, rows, strict=True):
        if not target:
            signals.append(OF_NOTHING)
            continue
        surprise = -_log_probabilities(base, prompt, target, build_lora_batch([row], base))
        logs = [math.log(min(max(float(x), LEAST_SURPRISE), MOST_SURPRISE)) for x in (surprise.mean(), surprise.max())]
        signals.append((logs[0], logs[1]))
    return signals


@torch.inference_mode()
def _log_probabilities(
    base: BaseLM, prompt: Sequence[int], target: Sequence[int], lora: LoraBatch | None
) -> torch.Tensor:
    """Log-probability of each target token after the prompt and the targets before it `[targets]`."""
    ids = torch.tensor([[*prompt, *target[:-1]]], device=base.device)
    with base.hooks.applied(lora):
        hidden = base.decoder(input_ids=ids, use_cache=False).last_hidden_state
    log = base.logits(hidden[0, len(prompt) - 1 :]).log_softmax(-1)  # [targets, vocabulary]
    return log[torch.arange(len(target)), torch.tensor(target)]


def fit_confidence(
    signals: Sequence[Sequence[float]], is_right: Sequence[bool], groups: Sequence[Hashable], hypernetwork_digest: str
) -> Confidence:
    """Fit the regression and measure it on documents that it has not seen.

    Args:
        signals: signals of each answer.
        is_right: whether it was right.
        groups: the document of each; its questions are never split between fitting and measuring.
        hypernetwork_digest: of the hypernetwork that the answers are from.

    Raises:
        EvaluationError: if all answers are right or all are wrong, or they are about one document only.
    """
    x, y = np.asarray(signals, dtype=float), np.asarray(is_right, dtype=float)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    if len(set(y.tolist())) < 2 or len(numbers) < 2:
        raise EvaluationError(
            f"{int(y.sum())} of {len(y)} answers about {len(numbers)} documents are right; to tell right from wrong "
            "there have to be both, and two documents at least: ask more questions"
        )
    fold = np.array([numbers[group] % min(FOLDS, len(numbers)) for group in groups])
    unseen = np.zeros(len(y))
    for part in set(fold.tolist()):
        unseen[fold == part] = _predict(_fit(x[fold != part], y[fold != part]), x[fold == part])
    weights = _fit(x, y)
    return Confidence(
        hypernetwork_digest=hypernetwork_digest,
        bias=round(float(weights[0]), 4),
        weights=tuple(round(float(w), 4) for w in weights[1:]),  # pyright: ignore[reportArgumentType]
        threshold=_best_threshold(unseen, y),
        auroc=round(auroc(unseen.tolist(), list(is_right)), 4),
        questions=len(y),
    )


def auroc(scores: Sequence[float], is_right: Sequence[bool]) -> float:
    """Probability that a right answer has a higher score than a wrong one; equal scores count half."""
    right = np.array([s for s, r in zip(scores, is_right, strict=True) if r])[:, None]
    wrong = np.array([s for s, r in zip(scores, is_right, strict=True) if not r])[None, :]
    return float(((right > wrong) + 0.5 * (right == wrong)).mean())


def save_confidence(folder: Path, confidence: Confidence) -> Path:
    """Write it beside a hypernetwork."""
    path = folder / CONFIDENCE_NAME
    try:
        with replaced_file(path) as temporary:
            temporary.write_text(confidence.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written ({error.strerror}); give a folder where you may") from error
    return path


def load_confidence(folder: Path, hypernetwork_digest: str) -> Confidence | None:
    """Read what lies beside a hypernetwork; None if nothing does, or it was fitted for other weights.

    Raises:
        EvaluationError: if the file is damaged.
    """
    path = folder / CONFIDENCE_NAME
    try:
        found = Confidence.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{path} is damaged ({str(error).splitlines()[0]}); delete it, or fit it again with "
            "`lorify eval confidence --save`"
        ) from error
    return found if found.hypernetwork_digest == hypernetwork_digest else None


def _fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method; weights `[1 + signals]`, the first is the bias, which no ridge pulls."""
    design = np.hstack([np.ones((len(x), 1)), x])
    ridge = np.diag([0.0, *([RIDGE] * x.shape[1])])
    weights = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        p = _sigmoid(design @ weights)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + ridge + 1e-6 * np.eye(len(weights))
        weights = weights - np.linalg.solve(curvature, design.T @ (p - y) + ridge @ weights)
    return weights


def _predict(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _sigmoid(weights[0] + x @ weights[1:])


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def _best_threshold(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The threshold with the best mean of the shares of right and of wrong answers that it tells."""

    def told(threshold: float) -> float:
        return float((probabilities[y == 1] >= threshold).mean() + (probabilities[y == 0] < threshold).mean())

    return max((step / 100 for step in range(1, 100)), key=told)
