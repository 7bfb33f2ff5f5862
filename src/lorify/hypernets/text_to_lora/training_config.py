"""Configs of runs that learn from tasks: task hypernetworks, libraries of LoRAs, and reconstruction of libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lorify.contexts.descriptions.encoder_files import DEFAULT_EMBEDDER
from lorify.hypernets.text_to_lora.config import TaskEncoderKind
from lorify.hypernets.training_config import LoraSettings, Optimization, TrainingConfig
from lorify.hypernets.training_data import TaskData


class TaskSettings(LoraSettings):
    """The task hypernetwork."""

    size: Literal["L", "M", "S"] = Field(
        "M",
        description="L: a head for A and one for B; M: one shared head; S: one head that writes each rank on its own.",
    )
    embedder: str = Field(
        DEFAULT_EMBEDDER,
        description="Encoder of the descriptions: a name, folder, hub id, or `base`; one_hot: none, tasks have numbers "
        "(kind reconstruction).",
    )
    task_encoder: TaskEncoderKind = Field("linear", description="Layers that encode the description's embedding.")
    num_codes: int = Field(32, gt=1, description="Codes of the codebook (vq, softmax) or classes (one_hot).")
    latent_size: int = Field(
        128,
        gt=0,
        multiple_of=4,
        description="Width of the trunk input: half encodes the task, a quarter the layer, a quarter the module.",
    )
    head_input_size: int = Field(512, gt=0, description="Input features of the heads.")


class TaskOptimization(Optimization):
    """The optimizer, its schedule and the loss on answers."""

    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled weight decay.")
    steps: int = Field(2000, gt=0, description="Optimizer steps.")
    average_over: Literal["instances", "tokens"] = Field(
        "instances", description="tokens: long answers weigh more; instances: all answers weigh the same."
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target that is spread over all tokens.")
    neftune_alpha: float = Field(
        5.0, ge=0, description="Strength of the noise on token embeddings in training (NEFTune)."
    )
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the inputs of the LoRA in training.")
    l2_weight: float = Field(1e-3, ge=0, description="Weight of the mean square of the generated A and B.")


class TaskTrainingConfig(TrainingConfig):
    """A run that trains a task hypernetwork through the frozen base."""

    # Configs are frozen, so a field may have a narrower type than in the base class, which pyright does not know.
    kind: Literal["task"] = Field("task", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: TaskSettings = TaskSettings()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
    multi_task_lora: Path | None = Field(
        None, description="Folder of a LoRA for all tasks, which is added to each generated adapter."
    )
    learned_offset: bool = Field(False, description="Train the LoRA of multi_task_lora too.")

    @model_validator(mode="after")
    def _offset_has_a_start(self) -> TaskTrainingConfig:
        if self.learned_offset and self.multi_task_lora is None:
            raise ValueError("learned_offset needs multi_task_lora to start from; set it to a folder")
        return self

    @model_validator(mode="after")
    def _embeds_before_the_run(self) -> TaskTrainingConfig:
        if self.data.rewording:
            raise ValueError(
                "data.rewording is for runs of kind system_message; a run of kind task embeds all descriptions before "
                "its first step: leave it out"
            )
        return self


class LoraTrainingConfig(TrainingConfig):
    """A run that trains ordinary LoRAs: one for each task, or one for all tasks."""

    kind: Literal["lora"] = Field("lora", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    shared: bool = Field(False, description="One LoRA for all tasks instead of one for each.")
    unseen_tasks: bool = Field(False, description="Train on the held-out tasks (upper bound: each has its own LoRA).")
    init_from: Path | None = Field(
        None, description="Task hypernetwork folder; each LoRA starts at what it generates for its task."
    )
    embedder: str = Field(DEFAULT_EMBEDDER, description="Encoder of the descriptions for init_from.")
    lora: LoraSettings = LoraSettings()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _has_no_descriptions(self) -> LoraTrainingConfig:
        self.data.refuse_adapters_from_prompts(self.kind)
        return self

    @model_validator(mode="after")
    def _starts_apart(self) -> LoraTrainingConfig:
        if self.shared and self.init_from is not None:
            raise ValueError("init_from is for one LoRA for each task; set shared to false, or leave it out")
        return self


class ReconstructionOptimization(Optimization):
    """The optimizer and its schedule."""

    steps: int = Field(4000, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")


class ReconstructionTrainingConfig(TrainingConfig):
    """A run that trains a task hypernetwork to reconstruct the LoRAs of a library."""

    kind: Literal["reconstruction"] = Field("reconstruction", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    init_from: Path | None = Field(
        None, description="Task hypernetwork folder to start from; of `hypernetwork`, only the embedder is used then."
    )
    library: Path | None = Field(None, description="Library: the folder best of a run of kind lora.")
    target: Literal["z_scores", "delta_w"] = Field(
        "z_scores", description="z_scores: A and B in standard deviations over the library; delta_w: their product."
    )
    delta_w_scaling: float = Field(
        10_000.0, gt=0, description="Scale of the products of A and B in the loss (delta_w)."
    )
    head_bias: bool | None = Field(None, description="Biases of the heads; null: only for the target delta_w.")
    hypernetwork: TaskSettings = TaskSettings()  # pyright: ignore[reportCallIssue]
    tasks_per_batch: int = Field(8, gt=0, description="Tasks a batch.")
    task_order: Literal["random", "epochs"] = Field(
        "random", description="epochs: each task comes once before any comes again; the last batch may be smaller."
    )
    optimization: ReconstructionOptimization = ReconstructionOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
