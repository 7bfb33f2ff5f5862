"""Config of a run that trains a reader for an associative hypernetwork."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lorify.hypernets.training_config import Optimization, TrainingConfig
from lorify.hypernets.training_data import ContextMix


class ReaderData(ContextMix):
    """Contexts of a step. The base encodes each context once; the result is kept."""

    facts: int = Field(8, ge=0, description="Generated fact documents a step.")
    portraits: int = Field(0, ge=0, description="Generated documents about a single entity per step.")
    questions: int = Field(8, ge=0, description="Natural passages with questions a step.")
    niah: int = Field(1, ge=0, description="Needle-in-a-haystack contexts a step.")
    questions_per_context: int = Field(4, gt=0, description="Maximum number of questions per context.")
    max_facts: int = Field(2000, gt=0, description="Number of different generated documents of each kind.")
    max_passages: int = Field(4000, gt=0, description="At most this many different natural passages.")
    max_heldout: int = Field(
        300, gt=0, description="At most this many held-out contexts of each kind; of generated ones at most 60."
    )
    unanswerable_questions: int = Field(
        0,
        ge=0,
        description="Questions per context that it does not answer: about what generated documents leave out, and for "
        "natural passages one about another passage and one whose answer is deleted.",
    )
    negative_probability: float = Field(
        0.25, ge=0, le=1, description="Probability that a question is also asked about another context of the step."
    )


class ReaderTrainingConfig(TrainingConfig):
    """A training run of a reader, which locates answers in documents."""

    base_is_called_evenly = False
    # A config is frozen, so a field may be narrower here than in what it extends; pyright does not know that.
    kind: Literal["reader"] = Field("reader", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    init_from: Path | None = Field(
        None, description="Associative hypernetwork that gets the reader; a reader it has is trained further."
    )
    width: int = Field(128, gt=0, multiple_of=4, description="Width of the reader.")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout probability of the reader's inputs and residual branches."
    )
    belongs_weight: float = Field(
        0.1, gt=0, description="Weight of the loss of all tokens of an answer, beside that of its beginning."
    )
    data: ReaderData = ReaderData()  # pyright: ignore[reportCallIssue]
    optimization: Optimization = Optimization(learning_rate=1.5e-3, steps=2000, weight_decay=0.02)  # pyright: ignore[reportCallIssue]
    evaluate_every: int = Field(200, gt=0, description="Steps between evaluations on held-out contexts.")
    checkpoint_every: int = Field(100, gt=0, description="Steps between checkpoints.")

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.init_from is None:
            raise ValueError("a reader is trained for a hypernetwork; set init_from to its folder")
        return self
