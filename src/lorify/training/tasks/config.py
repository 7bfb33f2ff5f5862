"""Configs of the runs that learn from tasks: task hypernetworks, libraries of LoRAs, and reconstruction of those."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lorify.contexts.descriptions import DEFAULT_EMBEDDER
from lorify.hypernets.text_to_lora.config import TaskEncoderKind
from lorify.training.config import RunConfig, Schedule, Section


class LoraShape(Section):
    """Which linear layers are adapted, and how."""

    modules: tuple[str, ...] = Field(
        ("q_proj", "v_proj", "o_proj", "down_proj"), min_length=1, description="Adapted linear layers of each block."
    )
    first_layer: int = Field(0, ge=0, description="First adapted block.")
    last_layer: int | None = Field(None, ge=0, description="Last adapted block; null: the base's last.")
    rank: int = Field(8, gt=0, description="Rank of the adapters.")
    lora_alpha: float = Field(16.0, gt=0, description="Numerator of the adapters' scaling.")
    use_rslora: bool = Field(True, description="Scaling is lora_alpha / sqrt(rank) instead of lora_alpha / rank.")


class TaskShape(LoraShape):
    """Shape of the task hypernetwork."""

    size: Literal["L", "M", "S"] = Field("M", description="L: A and B at once; M: a shared head; S: rank by rank.")
    embedder: str = Field(DEFAULT_EMBEDDER, description="What embeds the descriptions: a name, folder, id, or base.")
    task_encoder: TaskEncoderKind = Field("linear", description="What encodes the embedding.")
    num_codes: int = Field(32, gt=1, description="Codes of the codebook (vq, softmax) or classes (one_hot).")
    latent_size: int = Field(128, gt=0, multiple_of=4, description="Half encodes the task, a quarter each the place.")
    head_input_size: int = Field(512, gt=0, description="Input features of the heads.")


class TaskData(Section):
    """Tasks, and what a batch is made of."""

    suite: bool = Field(True, description="Train on the generated suite.")
    drawn_tasks: int = Field(
        0, ge=0, description="Train on so many tasks of families whose words, marks and labels are new in every task."
    )
    tasks_path: Path | None = Field(None, description="JSON file or folder of further tasks.")
    questions_path: Path | None = Field(
        None, description="JSON lines of context, question and answers: the task of writing such questions is learned."
    )
    only_sni_training: bool = Field(
        False, description="Of tasks of Super-NaturalInstructions, only the 479 that the paper trains on."
    )
    measured_path: Path | None = Field(None, description="Tasks that are measured on; what overlaps is taken out.")
    heldout_family_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the families of tasks_path that are kept for measuring."
    )
    max_tasks: int | None = Field(None, gt=0, description="Train on so many tasks, drawn by the seed; null: on all.")
    hierarchical: bool = Field(True, description="Draw a family, then a task of it; otherwise any task is as likely.")
    tasks_per_batch: int = Field(8, gt=0, description="Tasks a batch.")
    descriptions_per_task: int = Field(1, gt=0, description="Descriptions of each task a batch, each with instances.")
    instances_per_description: int = Field(4, gt=0, description="Instances answered with each description's adapter.")
    rewording: bool = Field(False, description="Put each description in other words every time it is trained on.")
    max_instance_tokens: int = Field(160, gt=0, description="Longer instances (input and answer) are left out.")


class TaskOptimization(Schedule):
    """The optimizer, its schedule and the loss on answers."""

    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled weight decay.")
    steps: int = Field(2000, gt=0, description="Optimizer steps.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target that is spread over all tokens.")
    neftune_alpha: float = Field(5.0, ge=0, description="Noise on the token embeddings while training (NEFTune).")
    l2_weight: float = Field(1e-3, ge=0, description="Weight of the mean square of generated A and B.")


class TaskTrainingConfig(RunConfig):
    """A run that trains a task hypernetwork through the frozen base."""

    # A config is frozen, so a field may be narrower here than in what it extends; pyright does not know that.
    kind: Literal["task"] = Field("task", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: TaskShape = TaskShape()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
    multi_task_lora: Path | None = Field(None, description="Adapter folder of a LoRA for all tasks, added to each.")
    learned_offset: bool = Field(False, description="Whether that LoRA is trained further.")

    @model_validator(mode="after")
    def _offset_has_a_start(self) -> TaskTrainingConfig:
        if self.learned_offset and self.multi_task_lora is None:
            raise ValueError("learned_offset needs multi_task_lora to start from")
        return self


class SystemMessageShape(LoraShape):
    """Shape of a hypernetwork that puts descriptions into the place of the system message."""

    written_layer: int = Field(1, ge=0, description="Block after which the description takes its place.")
    modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="Linear layers with a LoRA that is the same for all tasks.",
    )
    first_layer: int = Field(2, ge=0, description="First block with that LoRA; above written_layer.")
    rank: int = Field(16, gt=0, description="Rank of that LoRA.")
    embedder: str = Field(DEFAULT_EMBEDDER, description="What embeds the descriptions: a name, folder, id, or base.")
    embedded_slots: int = Field(2, ge=0, description="Tokens of the system message that hold that embedding.")


class SystemMessageOptimization(Schedule):
    """The optimizer, its schedule and the loss on answers."""

    steps: int = Field(2700, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(1.2e-3, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(20, ge=0, description="Steps of linear warm-up.")
    first_token_share: float = Field(0.3, gt=0, le=1, description="Share of an answer's loss on its first token.")
    embedding_dropout: float = Field(0.1, ge=0, lt=1, description="Share of the descriptions without an embedding.")


class SystemMessageTrainingConfig(RunConfig):
    """A run that trains a hypernetwork which puts descriptions into the place of the system message."""

    kind: Literal["system_message"] = Field("system_message", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    hypernetwork: SystemMessageShape = SystemMessageShape()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: SystemMessageOptimization = SystemMessageOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]


class LoraTrainingConfig(RunConfig):
    """A run that trains ordinary LoRAs: one for each task, or one for all of them."""

    kind: Literal["lora"] = Field("lora", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    shared: bool = Field(False, description="One LoRA for all tasks instead of one for each.")
    unseen_tasks: bool = Field(False, description="Train on the tasks that are kept for measuring (oracle adapters).")
    start_from: Path | None = Field(
        None, description="Task hypernetwork folder: each LoRA begins at what it writes for the task."
    )
    embedder: str = Field(DEFAULT_EMBEDDER, description="What embeds the descriptions for start_from.")
    lora: LoraShape = LoraShape()  # pyright: ignore[reportCallIssue]
    data: TaskData = TaskData()  # pyright: ignore[reportCallIssue]
    optimization: TaskOptimization = TaskOptimization()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _starts_apart(self) -> LoraTrainingConfig:
        if self.shared and self.start_from is not None:
            raise ValueError("start_from is for one LoRA for each task; set shared to false")
        return self


class ReconstructionSchedule(Schedule):
    """The optimizer and its schedule."""

    steps: int = Field(4000, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")


class ReconstructionConfig(RunConfig):
    """A run that trains a task hypernetwork to write the LoRAs of a library."""

    kind: Literal["reconstruction"] = Field("reconstruction", description="What is trained.")  # pyright: ignore[reportIncompatibleVariableOverride]
    start_from: Path | None = Field(
        None,
        description="Task hypernetwork folder to start from; its shape is kept, hypernetwork only says the embedder.",
    )
    library: Path | None = Field(None, description="Library folder that a run of kind lora wrote (its best).")
    target: Literal["z_scores", "delta_w"] = Field(
        "z_scores", description="A and B in deviations over the library, or their product."
    )
    delta_w_scaling: float = Field(10_000.0, gt=0, description="What products are multiplied by in the loss.")
    hypernetwork: TaskShape = TaskShape()  # pyright: ignore[reportCallIssue]
    tasks_per_batch: int = Field(8, gt=0, description="Tasks a batch.")
    optimization: ReconstructionSchedule = ReconstructionSchedule()  # pyright: ignore[reportCallIssue, reportIncompatibleVariableOverride]
