"""Hypernetworks on the Hugging Face hub; checkpoints of the papers' authors are imported once.

The authors published pickled files. Importers with a restricted unpickler read them, and lorify's cache keeps the
result.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path, PurePosixPath

from lorify.base.cache import cache_dir
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError
from lorify.hub import DATA_FILES, HubAddress, download
from lorify.hypernets.checkpoint import CONFIG_NAME, WEIGHTS_NAME, hypernetwork_folder
from lorify.hypernets.importing.conversion import (
    checkpoint_markers,
    convert_checkpoint,
    find_kind_of_checkpoint,
    is_checkpoint,
)
from lorify.plain_files import expand_home

_SETTINGS_FILES = ("args.yaml", "adapter_config.json")


def checkpoint_folder(path: Path | str) -> Path:
    """Return the local folder of a checkpoint or PEFT adapter; an address on the hub is downloaded.

    Raises:
        HypernetworkError: as `lorify.hub.download`.
    """
    address = HubAddress.parse(path)
    if address is None:
        return expand_home(path)
    prefix = f"{address.folder}/" if address.folder else ""
    names = [f"*{name}" for name in (*checkpoint_markers(), *_SETTINGS_FILES)]
    patterns = [prefix + pattern for pattern in (*DATA_FILES, *names)]
    if address.folder:  # the settings of a run are one folder above its checkpoints
        patterns += [str(PurePosixPath(address.folder).parent / name) for name in _SETTINGS_FILES]
    return download(address, patterns, "checkpoint", HypernetworkError) / address.folder


def hypernetwork_for(base: BaseLM, path: Path | str) -> Path:
    """Return the local folder of a hypernetwork.

    An address on the hub is downloaded. If it holds a checkpoint of a paper's authors, it is imported for the base on
    first use.

    Raises:
        HypernetworkError: as `hypernetwork_folder` and `convert_checkpoint`.
        BaseModelError: as `convert_checkpoint`.
    """
    address = HubAddress.parse(path)
    if address is None:
        return expand_home(path)
    folder = checkpoint_folder(path)
    if is_checkpoint(folder) and not any(folder.glob("*.safetensors")):
        return _imported(folder, address, base)
    return hypernetwork_folder(Path(path))


def _imported(checkpoint: Path, address: HubAddress, base: BaseLM) -> Path:
    """Import a downloaded checkpoint for a base, unless already done; its path contains the commit."""
    key = hashlib.sha256(f"{checkpoint}\n{base.digest}".encode()).hexdigest()[:16]
    folder = cache_dir() / "imported" / f"{address.repo.replace('/', '--')}-{key}"
    if (folder / CONFIG_NAME).is_file() and (folder / WEIGHTS_NAME).is_file():
        return folder
    kind, _ = find_kind_of_checkpoint(checkpoint)
    try:
        conversion = convert_checkpoint(kind, checkpoint, base, folder)
    except HypernetworkError as error:
        raise HypernetworkError(f"checkpoint {str(address)!r} on the Hugging Face hub: {error}") from error
    if conversion.warning is not None:
        warnings.warn(f"checkpoint {str(address)!r}: {conversion.warning}", stacklevel=2)
    return folder
