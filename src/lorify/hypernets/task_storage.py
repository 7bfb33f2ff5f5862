"""Task hypernetworks on disk: `config.json` and `hypernetwork.safetensors`, in the form of all hypernetworks."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from lorify.adapters.storage import replaced_folder
from lorify.atomic import save_tensors
from lorify.errors import HypernetworkError
from lorify.hypernets.storage import FORMAT_VERSION, WEIGHTS_NAME, packed_weights, unpacked_weights
from lorify.hypernets.task_config import TaskConfig
from lorify.hypernets.task_hypernet import TaskHypernetwork, build_task_hypernetwork

CONFIG_NAME = "config.json"
TASK_HYPERNETWORK_FILES = frozenset({CONFIG_NAME, WEIGHTS_NAME})
MOST_OF_A_REASON = 160


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
    stored = (
        packed_weights(weights) if packed else {k: v.detach().float().cpu().contiguous() for k, v in weights.items()}
    )
    document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
    with replaced_folder(folder, TASK_HYPERNETWORK_FILES) as temporary:
        save_tensors(stored, temporary / WEIGHTS_NAME)
        (temporary / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_task_hypernetwork(folder: Path) -> tuple[TaskConfig, TaskHypernetwork]:
    """Read a task hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if a file is missing or damaged, it is of another kind, or the weights do not fit the config.
    """
    try:
        document = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        found_version = document.pop("format_version", None)
        if found_version != FORMAT_VERSION:
            raise HypernetworkError(
                f"hypernetwork {folder} has format version {found_version}, expected {FORMAT_VERSION}; update lorify"
            )
        config = TaskConfig.model_validate(document)
        hypernet = build_task_hypernetwork(config)
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
