"""Config of a run that trains a hypernetwork which replaces the system message by a description."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lorify.contexts.descriptions.encoder_files import DEFAULT_EMBEDDER
from lorify.hypernets.training_config import LoraSettings, Optimization, TrainingConfig
from lorify.hypernets.training_data import TaskData


class SystemMessageSettings(LoraSettings):
    """The hypernetwork that replaces the system message by a description."""

    written_layer: int = Field(1, ge=0, description="Block after which the description replaces the system message.")
    modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="Linear layers with a LoRA shared by all tasks.",
    )
    first_layer: int = Field(2, ge=0, description="First block with the shared LoRA; above written_layer.")
    rank: int = Field(16, gt=0, description="Rank of the shared LoRA.")
    embedder: str = Field(
        DEFAULT_EMBEDDER, description="Encoder of the descriptions: a name, folder, hub id, or `base`."
    )
    embedded_slots: int = Field(2, ge=0, description="Tokens of the system message that hold the embedding.")


class SystemMessageOptimization(Optimization):
    """The optimizer, its schedule and the loss on answers."""

    steps: int = Field(2700, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(1.2e-3, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(20, ge=0, description="Steps of linear warm-up.")
    first_token_share: float = Field(0.3, gt=0, le=1, description="Share of an answer's loss on its first token.")
    embedding_dropout: float = Field(0.1, ge=0, lt=1, description="Share of the descriptions without an embedding.")


class SystemMessageTrainingConfig(TrainingConfig):
    """A run that trains a hypernetwork which replaces the system message by a description."""

    kind: Literal["system_message"] = Field("system_message", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: SystemMessageSettings = SystemMessageSettings()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: SystemMessageOptimization = SystemMessageOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _writes_descriptions(self) -> SystemMessageTrainingConfig:
        self.data.refuse_adapters_from_prompts(self.kind)
        if self.data.prompts == "published":
            raise ValueError(
                "data.prompts published has an empty system turn, where a run of kind system_message writes its "
                "descriptions; set it to input"
            )
        return self
