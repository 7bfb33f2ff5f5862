"""Config of a run that trains a LoRA with the document in the prompt."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lorify.hypernets.training_config import LoraSettings, Optimization, TrainingConfig
from lorify.hypernets.training_data import ContextMix


class PromptData(ContextMix):
    """Documents of a step; there are no needle contexts."""

    niah: Literal[0] = Field(0, description="Needle-in-a-haystack contexts per step.")  # pyright: ignore[reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        if not (self.facts or (self.questions and self.questions_path)):
            raise ValueError(
                "there is nothing to train on; set data.facts above 0, or data.questions with data.questions_path"
            )
        return self


class PromptTrainingConfig(TrainingConfig):
    """A run that trains one LoRA on questions with their document in the prompt."""

    # Configs are frozen, so a field may have a narrower type than in the base class, which pyright does not know.
    kind: Literal["prompt"] = Field("prompt", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    lora: LoraSettings = LoraSettings(rank=16)  # pyright: ignore[reportCallIssue]
    data: PromptData = PromptData()  # pyright: ignore[reportCallIssue]
    optimization: Optimization = Optimization(steps=110, learning_rate=1e-3, warmup_steps=10)  # pyright: ignore[reportCallIssue]
    init_from: None = Field(None, description="Not used: training starts with a new LoRA.")  # pyright: ignore[reportIncompatibleVariableOverride]
