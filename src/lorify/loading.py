"""Functions of the public API that load what has been trained: a base with its hypernetworks, and a router of parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from lorify import shipped
from lorify.adapters import Adapter
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.calibration.description_estimate import DescriptionModel
from lorify.answering.calibration.stated import StatedModel
from lorify.answering.parts.router import PartRouter
from lorify.argument_checks import checked, is_path, is_text
from lorify.base.files.locate import DEFAULT_BASE
from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.facade import Lorify
from lorify.hypernets.importing.on_hub import hypernetwork_for
from lorify.hypernets.registry import load_internalizer


@checked(base=is_path)
def load(
    base: str = DEFAULT_BASE,
    *,
    hypernetwork: Path | str | None = None,
    task_hypernetwork: Path | str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Lorify:
    """Load a base model and the hypernetworks that were trained for it.

    Args:
        base: default name, Hugging Face id, local folder or GGUF file.
        hypernetwork: folder of a document hypernetwork, or its address on the hub (`org/name[/folder][@revision]`); by
            default the one that ships for the base, if any.
        task_hypernetwork: the same of a task hypernetwork.
        dtype: dtype of the base's weights; by default the fastest one for the device.
        device: by default CUDA, MPS or the CPU, whichever is available first.

    Raises:
        BaseModelError: if the base cannot be found or read.
        HypernetworkError: if a hypernetwork is missing or damaged, or was made for another base. The task hypernetwork
            itself is read at the first task.
    """
    loaded = load_base(base, dtype=dtype, device=device)
    folder = Path(hypernetwork) if hypernetwork is not None else shipped.shipped_hypernetwork(base)
    task_folder = shipped.shipped_task_hypernetwork(base)
    if task_hypernetwork is not None:
        task_folder = hypernetwork_for(loaded, task_hypernetwork)
    if task_folder is not None:
        DescriptionModel.read(task_folder)  # a damaged file is reported now, and not at the first task
    return Lorify(loaded, None, task_folder) if folder is None else load_for(loaded, folder, task_folder)


def load_for(base: BaseLM, hypernetwork: Path, task_hypernetwork: Path | None = None) -> Lorify:
    """Load a document hypernetwork for a base that is loaded, with everything that its folder has.

    Args:
        base: the base.
        hypernetwork: folder of the hypernetwork, or its address on the hub.
        task_hypernetwork: folder of a task hypernetwork.
    """
    folder = hypernetwork_for(base, hypernetwork)
    internalizer = load_internalizer(base, folder)
    return Lorify(
        base,
        internalizer,
        task_hypernetwork,
        ConfidenceModel.load(folder, internalizer.digest),
        StatedModel.load(folder, internalizer.digest),
        partial(shipped.load_extractor_for, folder, dtype=base.dtype, device=base.device),
    )


@checked(description=is_text, base=is_path)
def specialize(description: str, base: str = DEFAULT_BASE, *, task_hypernetwork: Path | str | None = None) -> Adapter:
    """Load a base and turn the description of a task into an adapter.

    To specialize for several tasks, call `load` once and use `Lorify.specialize`.
    """
    return load(base, task_hypernetwork=task_hypernetwork).specialize(description)


@checked(folder=is_path)
def load_router(folder: Path | str) -> PartRouter:
    """Load what chooses among the parts of an adapter that `Lorify.export_parts` wrote. No base is loaded.

    Example:
        >>> part = lorify.load_router("handbook-parts").choose("Who approves travel?")
        >>> part.adapter if part else "the base"

    Raises:
        AdapterError: if the folder is not such an export, or a file of it is damaged.
    """
    router = PartRouter.load(folder)
    return replace(router, extractor=shipped.load_extractor_for(None))
