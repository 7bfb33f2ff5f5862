"""Setup of runs that learn from tasks: load models, embed descriptions, build samplers, load initial weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder
from lorify.data.tasks.schema import Task
from lorify.errors import TrainingError
from lorify.hypernets.text_to_lora.config import TaskConfig, task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.network import TaskHypernetwork
from lorify.hypernets.text_to_lora.training_config import TaskSettings, TaskTrainingConfig
from lorify.hypernets.training_config import LoraSettings
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.processes import num_processes
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskSampler

DESCRIPTIONS_AT_ONCE = 64
SHARED_FIELDS = (
    "rank", "lora_alpha", "use_rslora", "task_encoder", "num_codes", "latent_size", "head_input_size"
)  # fmt: skip


def load_task_base(name: str, preparation: Preparation) -> BaseLM:
    """Load the base, prepared for short rows.

    Raises:
        BaseModelError: if it cannot be loaded.
    """
    base = preparation.load_base(name)
    if base.device.type == "cpu":  # on a CPU the backward pass of fused attention takes five times as long
        base.model.set_attn_implementation("eager")
    return base


def build_samplers(
    data: TaskData, seed: int, base: BaseLM, train: Sequence[Task], unseen: Sequence[Task]
) -> dict[str, TaskSampler]:
    """Build the samplers `train`, `seen` (held-out instances of the same tasks) and `unseen` (other families).

    Args:
        data: batch sizes, and the shares that are held out.
        seed: seed of the draws.
        base: base that provides tokenizer and chat template.
        train: tasks to train on.
        unseen: tasks of held-out families; none: no sampler.
    """
    samplers = {
        "train": TaskSampler(data, base, train, seed=seed, num_processes=num_processes()),
        "seen": TaskSampler(data, base, train, seed=seed, heldout=True),
    }
    if unseen:
        samplers["unseen"] = TaskSampler(data, base, unseen, seed=seed, heldout=True)
    return samplers


def embed_descriptions(
    encoder: DescriptionEncoder, descriptions: Iterable[str], preparation: Preparation
) -> dict[str, Tensor]:
    """Embed descriptions `[e]`, each once, with a progress bar.

    Args:
        encoder: encoder of the descriptions.
        descriptions: the texts; equal ones are encoded once.
        preparation: shows the progress.

    Returns:
        Embedding `[e]` of each text.
    """
    texts = list(dict.fromkeys(descriptions))
    embeddings: dict[str, Tensor] = {}
    with preparation.counting("embedding", "descriptions") as advance:
        for start in range(0, len(texts), DESCRIPTIONS_AT_ONCE):
            group = texts[start : start + DESCRIPTIONS_AT_ONCE]
            embeddings |= zip(group, encoder.encode(group).unbind(0), strict=True)
            advance(len(group), len(texts))
    return embeddings


def adapted_layers(settings: LoraSettings, num_layers: int, base_name: str) -> tuple[int, ...]:
    """Return the blocks of the base that a run adapts.

    Args:
        settings: the run's first and last block.
        num_layers: number of blocks of the base.
        base_name: its name, for the error message.

    Raises:
        TrainingError: if there is none.
    """
    end = num_layers - 1
    last = end if settings.last_layer is None else min(settings.last_layer, end)
    if settings.first_layer > last:
        raise TrainingError(
            f"no block is adapted: first_layer is {settings.first_layer}, and the last block of base {base_name} that "
            f"may be adapted is {last}; set hypernetwork.first_layer to at most {last}"
        )
    return tuple(range(settings.first_layer, last + 1))


def build_task_config(
    settings: TaskSettings, base: BaseLM, encoder: DescriptionEncoder, **fields: object
) -> TaskConfig:
    """Build the config of the hypernetwork that a run trains, for its base and its description encoder."""
    return task_config(
        base,
        encoder,
        size=settings.size,
        modules=settings.modules,
        layers=adapted_layers(settings, base.num_layers, base.name),
        **task_network_fields(settings),
        **fields,
    )


def task_network_fields(settings: TaskSettings) -> dict[str, Any]:
    """Return the fields of the hypernetwork's config that have the same name in the settings."""
    return {name: getattr(settings, name) for name in SHARED_FIELDS}


def multi_task_fields(config: TaskTrainingConfig) -> dict[str, Any]:
    """Return the config fields for a hypernetwork that starts from a LoRA for all tasks; none without such a LoRA.

    Heads without biases generate zeros at first, so training starts from that LoRA.
    """
    if config.multi_task_lora is None:
        return {}
    return {"offset": "learned" if config.learned_offset else "fixed", "head_bias": False}


def load_start(folder: Path, base: BaseLM, encoder: DescriptionEncoder) -> tuple[TaskConfig, TaskHypernetwork]:
    """Load the task hypernetwork that a run starts from.

    Args:
        folder: folder of the hypernetwork.
        base: the base of the run.
        encoder: the description encoder of the run.

    Raises:
        HypernetworkError: if it is missing or damaged.
        TrainingError: if it is for another base or description encoder.
    """
    config, hypernetwork = TEXT_TO_LORA.load(folder)
    if (config.base_digest, config.embedder_digest) != (base.digest, encoder.digest):
        raise TrainingError(
            f"init_from {folder} is for base {config.base_name} and embedder {config.embedder_name}, not for "
            f"{base.name} and {encoder.name}; give the ones it is for"
        )
    return config, hypernetwork
