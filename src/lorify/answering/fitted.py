"""Logistic regressions on the signals of an answer, fitted once for a hypernetwork and saved beside its weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.errors import HypernetworkError, first_problem


class FittedModel(BaseModel):
    """A logistic regression from the signals of an answer to a probability."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hypernetwork_digest: str = Field(description="SHA-256 of the weights of the hypernetwork that it was fitted for.")
    bias: float = Field(description="Log-odds where all signals are 0.")
    weights: tuple[float, ...] = Field(description="Log-odds per unit of each signal.")
    threshold: float = Field(ge=0, le=1, description="What to do with an answer changes below this probability.")
    auroc: float = Field(ge=0, le=1, description="AUROC on documents that it was not fitted to.")
    questions: int = Field(gt=0, description="Number of questions that it was fitted to.")

    def probability(self, signals: Sequence[float]) -> float:
        """Compute the probability for an answer with these signals."""
        odds = self.bias + sum(w * x for w, x in zip(self.weights, signals, strict=True))
        return 1 / (1 + math.exp(-odds))


Fitted = TypeVar("Fitted", bound=FittedModel)


def save_fitted(path: Path, model: FittedModel) -> Path:
    """Write a fitted model and return its path.

    Raises:
        HypernetworkError: if the file cannot be written.
    """
    try:
        with replaced_file(path) as temporary:
            temporary.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise HypernetworkError(f"{path} cannot be written ({error.strerror}); give a writable folder") from error
    return path


def load_fitted(path: Path, kind: type[Fitted], hypernetwork_digest: str, *, fitted_with: str) -> Fitted | None:
    """Read a fitted model.

    Args:
        path: the file.
        kind: its class.
        hypernetwork_digest: SHA-256 of the weights of the hypernetwork in use.
        fitted_with: the command that fits it, for the error message.

    Returns:
        The model; None if there is none, or it was fitted for other weights.

    Raises:
        HypernetworkError: if the file is damaged.
    """
    try:
        model = kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error
        raise HypernetworkError(
            f"{path} is damaged ({reason}); delete it, then fit it again with `{fitted_with}`"
        ) from error
    return model if model.hypernetwork_digest == hypernetwork_digest else None
