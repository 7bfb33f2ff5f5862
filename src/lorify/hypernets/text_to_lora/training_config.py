"""Configs of the runs that learn from tasks: task hypernetworks, libraries of LoRAs, and reconstruction of those."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lorify.contexts.description_encoder_files import DEFAULT_EMBEDDER
from lorify.hypernets.text_to_lora.config import TaskEncoderKind
from lorify.hypernets.training_config import LoraSettings, Optimization, TrainingConfig
from lorify.hypernets.training_data import TaskData


class TaskSettings(LoraSettings):
    """Shape of the task hypernetwork."""

    size: Literal["L", "M", "S"] = Field("M", description="L: A and B at once; M: a shared head; S: rank by rank.")
    embedder: str = Field(DEFAULT_EMBEDDER, description="What embeds the descriptions: a name, folder, id, or base.")
    task_encoder: TaskEncoderKind = Field("linear", description="What encodes the embedding.")
    num_codes: int = Field(32, gt=1, description="Codes of the codebook (vq, softmax) or classes (one_hot).")
    latent_size: int = Field(128, gt=0, multiple_of=4, description="Half encodes the task, a quarter each the place.")
    head_input_size: int = Field(512, gt=0, description="Input features of the heads.")


class TaskOptimization(Optimization):
    """The optimizer, its schedule and the loss on answers."""

    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled weight decay.")
    steps: int = Field(2000, gt=0, description="Optimizer steps.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target that is spread over all tokens.")
    neftune_alpha: float = Field(5.0, ge=0, description="Noise on the token embeddings while training (NEFTune).")
    l2_weight: float = Field(1e-3, ge=0, description="Weight of the mean square of generated A and B.")


class TaskTrainingConfig(TrainingConfig):
    """A run that trains a task hypernetwork through the frozen base."""

    # A config is frozen, so a field may be narrower here than in what it extends; pyright does not know that.
    kind: Literal["task"] = Field("task", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: TaskSettings = TaskSettings()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
    multi_task_lora: Path | None = Field(None, description="Adapter folder of a LoRA for all tasks, added to each.")
    learned_offset: bool = Field(False, description="Whether that LoRA is trained further.")

    @model_validator(mode="after")
    def _offset_has_a_start(self) -> TaskTrainingConfig:
        if self.learned_offset and self.multi_task_lora is None:
            raise ValueError("learned_offset needs multi_task_lora to start from")
        return self


class LoraTrainingConfig(TrainingConfig):
    """A run that trains ordinary LoRAs: one for each task, or one for all of them."""

    kind: Literal["lora"] = Field("lora", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    shared: bool = Field(False, description="One LoRA for all tasks instead of one for each.")
    unseen_tasks: bool = Field(False, description="Train on the tasks that are kept for measuring (oracle adapters).")
    init_from: Path | None = Field(
        None, description="Task hypernetwork folder: each LoRA begins at what it writes for the task."
    )
    embedder: str = Field(DEFAULT_EMBEDDER, description="What embeds the descriptions for init_from.")
    lora: LoraSettings = LoraSettings()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _starts_apart(self) -> LoraTrainingConfig:
        if self.shared and self.init_from is not None:
            raise ValueError("init_from is for one LoRA for each task; set shared to false")
        return self


class ReconstructionOptimization(Optimization):
    """The optimizer and its schedule."""

    steps: int = Field(4000, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")


class ReconstructionTrainingConfig(TrainingConfig):
    """A run that trains a task hypernetwork to write the LoRAs of a library."""

    kind: Literal["reconstruction"] = Field("reconstruction", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    init_from: Path | None = Field(
        None,
        description="Task hypernetwork folder to start from; its shape is kept, hypernetwork only says the embedder.",
    )
    library: Path | None = Field(None, description="Library folder that a run of kind lora wrote (its best).")
    target: Literal["z_scores", "delta_w"] = Field(
        "z_scores", description="A and B in deviations over the library, or their product."
    )
    delta_w_scaling: float = Field(10_000.0, gt=0, description="What products are multiplied by in the loss.")
    hypernetwork: TaskSettings = TaskSettings()  # pyright: ignore[reportCallIssue]
    tasks_per_batch: int = Field(8, gt=0, description="Tasks a batch.")
    optimization: ReconstructionOptimization = ReconstructionOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
