"""Task hypernetworks on disk: `config.json` and `hypernetwork.safetensors`, in the form of all hypernetworks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lorify.atomic import replaced_folder
from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    exact_weights,
    filled,
    packed_weights,
    read_folder,
    write_folder,
)
from lorify.hypernets.system_prompt.network import SystemMessageConfig, SystemMessageHypernetwork
from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork

TASK_HYPERNETWORK_FILES = frozenset({CONFIG_NAME, WEIGHTS_NAME})


def save_task_hypernetwork(
    folder: Path, config: TaskConfig, hypernetwork: TaskHypernetwork, *, packed: bool = True
) -> None:
    """Write a task hypernetwork; an earlier one in `folder` is replaced at once or not at all.

    Args:
        folder: where to; its parent is made.
        config: its shape, base and embedder.
        hypernetwork: its weights.
        packed: store large matrices in 8 bits a number; otherwise every number is kept exactly, in float32.

    Raises:
        HypernetworkError: if `folder` contains anything but a task hypernetwork.
        OSError: if it cannot be written.
    """
    weights = hypernetwork.state_dict()
    _save(folder, config, packed_weights(weights) if packed else exact_weights(weights))


def load_task_hypernetwork(folder: Path) -> tuple[TaskConfig, TaskHypernetwork]:
    """Read a task hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    config, weights = read_folder(folder, TaskConfig.model_validate)
    return config, filled(build_task_hypernetwork, config, weights, folder)


def save_system_message(folder: Path, config: SystemMessageConfig, hypernetwork: SystemMessageHypernetwork) -> None:
    """Write a hypernetwork that puts descriptions into the place of the system message, as `save_task_hypernetwork`.

    Raises:
        HypernetworkError: if `folder` contains anything but a task hypernetwork.
        OSError: if it cannot be written.
    """
    weights = hypernetwork.state_dict()
    # Rounded, what answers to one slot would answer to the others too.
    exact = exact_weights({"slot_A": weights.pop("slot_A")})
    _save(folder, config, packed_weights(weights) | exact)


def load_system_message(folder: Path) -> tuple[SystemMessageConfig, SystemMessageHypernetwork]:
    """Read a hypernetwork that puts descriptions into the place of the system message, as `load_task_hypernetwork`.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    config, weights = read_folder(folder, SystemMessageConfig.model_validate)
    return config, filled(SystemMessageHypernetwork, config, weights, folder)


def _save(folder: Path, config: TaskConfig | SystemMessageConfig, stored: Mapping[str, Tensor]) -> None:
    with replaced_folder(folder, TASK_HYPERNETWORK_FILES, HypernetworkError) as temporary:
        write_folder(temporary, config, stored)
