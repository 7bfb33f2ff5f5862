"""The mean of task hypernetworks with the same config: checkpoints of one run, or of runs with the same start.

Runs that start from the same weights and move in different directions agree on what generalizes to new tasks, and their
mean keeps that.

Source: Model soups (arXiv 2203.05482), uniform; arXiv 1803.05407 for checkpoints of one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel

from lorify.errors import HypernetworkError
from lorify.hypernets.registry import kind_of

_MAY_DIFFER = "num_training_tasks"


@torch.no_grad()
def average_hypernetworks(folders: Sequence[Path], output: Path) -> None:
    """Write the mean of the weights of task hypernetworks; `num_training_tasks` is that of the last one.

    Args:
        folders: at least two; a folder that is given twice counts twice.
        output: folder to write; missing parents are created.

    Raises:
        HypernetworkError: if there are fewer than two folders, one is missing, damaged or a document hypernetwork,
            their configs differ, or `output` holds something else or cannot be written.
    """
    if len(folders) < 2:
        raise HypernetworkError(f"cannot average {len(folders)} hypernetworks; give two or more folders")
    kind = kind_of(folders[0])
    if kind.load_specializer is None:
        raise HypernetworkError(f"hypernetwork {folders[0]} reads documents; give task hypernetworks")
    loaded = [kind.load(folder) for folder in folders]
    config, network = loaded[-1]
    for folder, (other, _) in zip(folders, loaded, strict=True):
        _check_same_config(config, other, folders[-1], folder)
    weights = [network.state_dict() for _, network in loaded]
    network.load_state_dict({name: torch.stack([w[name] for w in weights]).mean(0) for name in weights[0]})
    kind.save(output, config, network)


def _check_same_config(last: BaseModel, other: BaseModel, last_folder: Path, other_folder: Path) -> None:
    for name in type(last).model_fields:
        if name != _MAY_DIFFER and getattr(last, name) != getattr(other, name):
            raise HypernetworkError(
                f"hypernetworks {last_folder} and {other_folder} differ in {name}; average those of one config"
            )
