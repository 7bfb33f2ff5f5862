"""The mean of task hypernetworks of one shape: checkpoints of one run, or of runs that begin at the same weights.

Weights that training has taken in different directions from one beginning agree on what carries over to tasks that none
was trained on, and their mean keeps that ("Model soups", arXiv 2203.05482, uniform; arXiv 1803.05407 for one run).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import hypernetwork_kind
from lorify.hypernets.system_prompt.network import SystemMessageConfig
from lorify.hypernets.text_to_lora.checkpoint import (
    load_system_message,
    load_task_hypernetwork,
    save_system_message,
    save_task_hypernetwork,
)
from lorify.hypernets.text_to_lora.config import TaskConfig

Config = TypeVar("Config", TaskConfig, SystemMessageConfig)
Network = TypeVar("Network", bound=nn.Module)

_MAY_DIFFER = "num_training_tasks"


def average_hypernetworks(folders: Sequence[Path], output: Path) -> None:
    """Write the mean of the weights of some task hypernetworks; how many tasks it was trained on is the last one's.

    Args:
        folders: two or more; one that is named twice counts twice.
        output: where to; its parent is made.

    Raises:
        HypernetworkError: if there are fewer than two, one is missing or damaged or reads documents, or their shapes,
            bases or embedders differ.
        AdapterError: if `output` holds something else or cannot be written.
    """
    if len(folders) < 2:
        raise HypernetworkError(f"a mean of {len(folders)} hypernetworks is none; give two or more folders")
    if hypernetwork_kind(folders[0]) == "system_message":
        save_system_message(output, *_mean(folders, load_system_message))
    else:
        save_task_hypernetwork(output, *_mean(folders, load_task_hypernetwork))


@torch.no_grad()
def _mean(folders: Sequence[Path], load: Callable[[Path], tuple[Config, Network]]) -> tuple[Config, Network]:
    loaded = [load(folder) for folder in folders]
    config, hypernetwork = loaded[-1]
    for folder, (other, _) in zip(folders, loaded, strict=True):
        _check_alike(config, other, folders[-1], folder)
    weights = [network.state_dict() for _, network in loaded]
    hypernetwork.load_state_dict({name: torch.stack([w[name] for w in weights]).mean(0) for name in weights[0]})
    return config, hypernetwork


def _check_alike(wanted: TaskConfig | SystemMessageConfig, found: object, first: Path, other: Path) -> None:
    for name in type(wanted).model_fields:
        if name != _MAY_DIFFER and getattr(wanted, name) != getattr(found, name):
            raise HypernetworkError(
                f"hypernetworks {first} and {other} differ in {name}; average those of one shape and base"
            )
