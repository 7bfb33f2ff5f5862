"""The registry entries of runs that learn from tasks."""

from __future__ import annotations

from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskTrainingConfig,
)
from lorify.training.kind import TrainingKind
from lorify.training.tasks.dry_run import dry_run_lora, dry_run_reconstruction, dry_run_task
from lorify.training.tasks.lora import prepare_loras
from lorify.training.tasks.reconstruction import prepare_reconstruction
from lorify.training.tasks.sft import prepare_task
from lorify.training.tasks.system_prompt import prepare_system_message
from lorify.training.tasks.system_prompt_dry_run import dry_run_system_message

TASK_TRAINING = TrainingKind(
    name="task",
    config=TaskTrainingConfig,
    prepare=prepare_task,
    output="a task hypernetwork, for --task-hypernetwork",
    dry_run=dry_run_task,
)
SYSTEM_MESSAGE_TRAINING = TrainingKind(
    name="system_message",
    config=SystemMessageTrainingConfig,
    prepare=prepare_system_message,
    output="a task hypernetwork, for --task-hypernetwork",
    dry_run=dry_run_system_message,
)
RECONSTRUCTION_TRAINING = TrainingKind(
    name="reconstruction",
    config=ReconstructionTrainingConfig,
    prepare=prepare_reconstruction,
    output="a task hypernetwork, for --task-hypernetwork",
    dry_run=dry_run_reconstruction,
)
LORA_TRAINING = TrainingKind(
    name="lora",
    config=LoraTrainingConfig,
    prepare=prepare_loras,
    output="an adapter for all tasks (`shared`), or a library of one adapter for each task",
    dry_run=dry_run_lora,
)
