"""What ships in the package for a base: its hypernetworks, and adapters that write and rewrite questions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch

from lorify.adapters import Adapter
from lorify.adapters.storage import load_adapter
from lorify.base.files.locate import DEFAULT_BASE
from lorify.base.model import BaseLM
from lorify.errors import AdapterError, ExtractorError
from lorify.extraction.extractor import Extractor
from lorify.extraction.storage import has_extractor, load_extractor

SHIPPED_HYPERNETWORKS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m"}
SHIPPED_TASK_HYPERNETWORKS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m-tasks"}
SHIPPED_QUESTION_WRITERS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m-questions"}

SHIPPED_FOLLOW_UP_WRITERS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m-follow-ups"}
SHIPPED_EXTRACTOR = Path(__file__).parent / "pretrained" / "extractor"


def shipped_hypernetwork(base: str) -> Path | None:
    """Return the folder of the document hypernetwork that ships for a base, if one does."""
    return SHIPPED_HYPERNETWORKS.get(base)


def shipped_task_hypernetwork(base: str) -> Path | None:
    """Return the folder of the task hypernetwork that ships for a base, if one does."""
    folder = SHIPPED_TASK_HYPERNETWORKS.get(base)
    return folder if folder is not None and folder.is_dir() else None


def load_question_writer(base: BaseLM) -> Adapter | None:
    """Read the adapter that ships for a base to write questions with; None if there is none for its weights."""
    return _load_writer(base, SHIPPED_QUESTION_WRITERS)


def load_follow_up_writer(base: BaseLM) -> Adapter | None:
    """Read the adapter that ships for a base to rewrite follow-ups with; None if there is none for its weights."""
    return _load_writer(base, SHIPPED_FOLLOW_UP_WRITERS)


def load_extractor_for(
    hypernetwork: Path | None, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Extractor | None:
    """Read the extractor in the folder of a hypernetwork, or else the one that ships, which is the same for all bases.

    Args:
        hypernetwork: folder of the document hypernetwork, if there is one.
        dtype: what the extractor computes in.
        device: where it does.

    Returns:
        The extractor; None with a warning if it or its encoder cannot be loaded.
    """
    folder = hypernetwork if hypernetwork is not None and has_extractor(hypernetwork) else SHIPPED_EXTRACTOR
    try:
        return load_extractor(folder, dtype=dtype, device=device)
    except ExtractorError as error:
        warnings.warn(
            f"{error}; until then, fewer answers quote documents, and parts are chosen by words alone", stacklevel=2
        )
        return None


def _load_writer(base: BaseLM, folders: Mapping[str, Path]) -> Adapter | None:
    folder = folders.get(base.name)
    if folder is None or not folder.is_dir():
        return None
    writer = load_adapter(folder)
    return writer if writer.provenance.base_digest == base.digest else None


def load_adapter_for(base: BaseLM, folder: Path) -> Adapter:
    """Read the adapter of a folder, and check that it was made for a base.

    Raises:
        AdapterError: if it is damaged or was made for another base.
    """
    adapter = load_adapter(folder)
    try:
        adapter.check_base(base)
    except AdapterError as error:
        raise AdapterError(f"{folder}: {error}") from error
    return adapter
