"""Config of a run that trains an extractor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lorify.extraction.config import ExtractorConfig
from lorify.hypernets.training_config import Optimization, TrainingConfig
from lorify.hypernets.training_data import ContextMix


class ExtractionData(ContextMix):
    """Questions of a step, each with one text."""

    niah: Literal[0] = Field(0, description="Needle-in-a-haystack contexts per step.")  # pyright: ignore[reportIncompatibleVariableOverride]
    facts: int = Field(1, ge=0, description="Generated fact documents per step.")
    portraits: int = Field(1, ge=0, description="Generated documents about a single entity per step.")
    questions_per_context: int = Field(3, gt=0, description="Maximum number of questions per generated document.")
    questions: int = Field(24, ge=0, description="Natural questions per step, each with its passage.")
    unanswerable_share: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of natural questions that their passage does not answer: they are about another passage, "
        "or their answer is deleted. Above 0, generated documents have one such question each.",
    )
    written: int = Field(
        0,
        ge=0,
        description="Questions per step about documents of everyday kinds that were written for training, alone and in "
        "chats.",
    )
    chats: int = Field(
        0,
        ge=0,
        description="Questions per step that follow others about their passage, as a chat; above 0, generated "
        "documents have such questions too.",
    )
    follow_ups_path: Path | None = Field(
        None, description="JSON file of chats that people had (CANARD); among the questions of data.chats."
    )
    max_answer_chars: int = Field(60, gt=0, description="Maximum length of natural answers, in characters.")
    max_heldout: int = Field(
        300, gt=0, description="At most this many held-out passages; of generated documents at most 40 of each kind."
    )

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        if self.follow_ups_path and not self.chats:
            raise ValueError("follow_ups_path has no effect without data.chats; set it above 0")
        natural = self.questions and self.questions_path
        if not (self.facts or self.portraits or self.written or natural or self.follow_ups_path):
            raise ValueError(
                "there is nothing to train on; set data.facts or data.written above 0, or data.questions with "
                "data.questions_path"
            )
        return self


class ExtractionTrainingConfig(TrainingConfig):
    """A run that trains an extractor, without the base."""

    base_is_called_evenly = False
    # Configs are frozen, so a field may have a narrower type than in the base class, which pyright does not know.
    kind: Literal["extractor"] = Field("extractor", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    extractor: ExtractorConfig = ExtractorConfig()  # pyright: ignore[reportCallIssue]
    data: ExtractionData = ExtractionData()  # pyright: ignore[reportCallIssue]
    optimization: Optimization = Optimization(steps=1000, learning_rate=1e-3, weight_decay=0.01)  # pyright: ignore[reportCallIssue]
    evaluate_every: int = Field(200, gt=0, description="Steps between evaluations on held-out texts.")
    checkpoint_every: int = Field(50, gt=0, description="Steps between checkpoints.")
    init_from: Path | None = Field(
        None, description="Extractor to train further; null starts with the pretrained encoder."
    )
