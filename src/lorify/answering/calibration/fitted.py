"""Logistic regressions on signals of answers or descriptions, fitted once and saved next to a hypernetwork."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.errors import HypernetworkError, first_problem

MIN_PROBABILITY = 1e-3
"""Probabilities are kept this far from 0 and 1; closer ones are all alike to a regression."""
MAX_ODDS = 30.0
"""Log-odds beyond this make no difference to a probability, and would overflow."""


def log_odds(probability: float) -> float:
    """Compute the log-odds of a probability, for use as a signal."""
    clipped = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(clipped / (1 - clipped))


class FittedModel(BaseModel):
    """A logistic regression from the signals of an answer, or of a description, to a probability.

    Attributes:
        file_name: name of its file beside the weights of a hypernetwork.
        command: the command that fits it.
    """

    file_name: ClassVar[str]
    command: ClassVar[str]

    model_config = ConfigDict(frozen=True, extra="forbid")

    hypernetwork_digest: str = Field(description="SHA-256 of the weights of the hypernetwork that it was fitted for.")
    bias: float = Field(description="Log-odds where all signals are 0.")
    weights: tuple[float, ...] = Field(description="Log-odds per unit of each signal.")
    threshold: float = Field(ge=0, le=1, description="What is done changes below this probability.")
    auroc: float = Field(ge=0, le=1, description="AUROC on documents, or families of tasks, that it was not fitted to.")
    questions: int = Field(gt=0, description="Number of questions or descriptions that it was fitted to.")

    def probability(self, signals: Sequence[float]) -> float:
        """Compute the probability for signals."""
        odds = self.bias + sum(w * x for w, x in zip(self.weights, signals, strict=True))
        return 1 / (1 + math.exp(-min(max(odds, -MAX_ODDS), MAX_ODDS)))

    def save(self, folder: Path) -> Path:
        """Write the model beside the weights of its hypernetwork and return its path.

        Raises:
            HypernetworkError: if the file cannot be written.
        """
        path = folder / self.file_name
        try:
            with replaced_file(path) as temporary:
                temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise HypernetworkError(f"{path} cannot be written ({error.strerror}); give a writable folder") from error
        return path

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the model in the folder of a hypernetwork, whatever weights it was fitted for.

        Returns:
            The model; None if there is none.

        Raises:
            HypernetworkError: if the file is damaged.
        """
        path = folder / cls.file_name
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValidationError, UnicodeDecodeError, OSError) as error:
            reason = first_problem(error) if isinstance(error, ValidationError) else error
            raise HypernetworkError(
                f"{path} is damaged ({reason}); delete it, then fit it again with `{cls.command}`"
            ) from error

    @classmethod
    def load(cls, folder: Path, hypernetwork_digest: str) -> Self | None:
        """Read the model beside the weights of a hypernetwork.

        Args:
            folder: folder of the hypernetwork.
            hypernetwork_digest: SHA-256 of its weights.

        Returns:
            The model; None if there is none, or it was fitted for other weights.

        Raises:
            HypernetworkError: if the file is damaged.
        """
        model = cls.read(folder)
        return model if model is not None and model.hypernetwork_digest == hypernetwork_digest else None
