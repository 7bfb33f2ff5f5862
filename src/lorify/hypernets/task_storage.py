"""Task hypernetworks on disk: `config.json` and `hypernetwork.safetensors`, in the form of all hypernetworks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lorify.adapters.storage import replaced_folder
from lorify.atomic import save_tensors
from lorify.errors import HypernetworkError
from lorify.hypernets.storage import FORMAT_VERSION, WEIGHTS_NAME, exact_weights, packed_weights, unpacked_weights
from lorify.hypernets.system_message import SystemMessageConfig, SystemMessageHypernetwork
from lorify.hypernets.task_config import TaskConfig
from lorify.hypernets.task_hypernet import TaskHypernetwork, build_task_hypernetwork

CONFIG_NAME = "config.json"
TASK_HYPERNETWORK_FILES = frozenset({CONFIG_NAME, WEIGHTS_NAME})
MOST_OF_A_REASON = 160

Config = TypeVar("Config", TaskConfig, SystemMessageConfig)
Network = TypeVar("Network", bound=nn.Module)


def save_task_hypernetwork(
    folder: Path, config: TaskConfig, hypernet: TaskHypernetwork, *, packed: bool = True
) -> None:
    """Write a task hypernetwork; an earlier one in `folder` is replaced at once or not at all.

    Args:
        folder: where to; its parent is made.
        config: its shape, base and embedder.
        hypernet: its weights.
        packed: store large matrices in 8 bits a number; otherwise every number is kept exactly, in float32.

    Raises:
        AdapterError: if `folder` holds something else or cannot be written.
    """
    weights = hypernet.state_dict()
    _save(folder, config, packed_weights(weights) if packed else exact_weights(weights))


def load_task_hypernetwork(folder: Path) -> tuple[TaskConfig, TaskHypernetwork]:
    """Read a task hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    return _load(folder, TaskConfig, build_task_hypernetwork)


def save_system_message(folder: Path, config: SystemMessageConfig, hypernet: SystemMessageHypernetwork) -> None:
    """Write a hypernetwork that puts descriptions into the place of the system message, as `save_task_hypernetwork`.

    Raises:
        AdapterError: if `folder` holds something else or cannot be written.
    """
    weights = hypernet.state_dict()
    # Rounded, what answers to one slot would answer to the others too.
    exact = exact_weights({"slot_A": weights.pop("slot_A")})
    _save(folder, config, packed_weights(weights) | exact)


def load_system_message(folder: Path) -> tuple[SystemMessageConfig, SystemMessageHypernetwork]:
    """Read a hypernetwork that puts descriptions into the place of the system message, as `load_task_hypernetwork`.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    return _load(folder, SystemMessageConfig, SystemMessageHypernetwork)


def _save(folder: Path, config: TaskConfig | SystemMessageConfig, stored: Mapping[str, Tensor]) -> None:
    document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
    with replaced_folder(folder, TASK_HYPERNETWORK_FILES) as temporary:
        save_tensors(stored, temporary / WEIGHTS_NAME)
        (temporary / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _load(folder: Path, config_type: type[Config], build: Callable[[Config], Network]) -> tuple[Config, Network]:
    try:
        document = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        found_version = document.pop("format_version", None)
        if found_version != FORMAT_VERSION:
            raise HypernetworkError(
                f"hypernetwork {folder} has format version {found_version}, expected {FORMAT_VERSION}; update lorify"
            )
        config = config_type.model_validate(document)
        hypernet = build(config)
        hypernet.load_state_dict(unpacked_weights(load_file(folder / WEIGHTS_NAME)))
    except FileNotFoundError as error:
        raise HypernetworkError(
            f"{folder} is no hypernetwork: {Path(error.filename or WEIGHTS_NAME).name} is missing; give a folder that "
            "lorify wrote"
        ) from error
    except (
        json.JSONDecodeError,
        AttributeError,  # the config is no JSON object
        ValidationError,
        SafetensorError,
        UnicodeDecodeError,
        RuntimeError,  # tensors of other names or shapes
    ) as error:
        what = " ".join(str(error).split())
        raise HypernetworkError(
            f"task hypernetwork {folder} is damaged or of another kind ({what[:MOST_OF_A_REASON]}); "
            "fetch or train it again"
        ) from error
    return config, hypernet.eval()
