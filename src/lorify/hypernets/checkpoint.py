"""Hypernetwork folders: `config.json` and `hypernetwork.safetensors`, written atomically and loaded strictly.

This module handles the format, not the kinds: `kind` in `config.json` names an entry of `lorify.hypernets.registry`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lorify.atomic import replaced_folder, reported_write_errors, save_tensors
from lorify.base.weight_shapes import find_mismatch
from lorify.errors import HypernetworkError, first_line
from lorify.hub import local_folder
from lorify.hypernets.weight_storage import unpacked_weights
from lorify.json_text import parse_json
from lorify.plain_files import open_plain_file, read_plain_file

FORMAT_VERSION = 1
MAX_CONFIG_BYTES = 16 << 20
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "hypernetwork.safetensors"
HYPERNETWORK_FILES = frozenset(
    {
        CONFIG_NAME,
        WEIGHTS_NAME,
        "relevance.json",
        "confidence.json",
        "stated.json",
        "descriptions.json",
        "extractor.json",
        "extractor.safetensors",
    }
)
"""Files in a hypernetwork folder; saving a hypernetwork deletes the earlier ones.

`confidence.json`, `stated.json` and `descriptions.json` are fitted to the weights next to them, so new weights delete
them. An extractor is there only if it was copied there to replace the shipped one.
"""
DEFAULT_KIND = "associative"
"""Kind of a config that does not name one."""

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=BaseModel)


@dataclass(frozen=True)
class LoadedHypernetwork(Generic[Config, Network]):
    """A hypernetwork that was read from its folder.

    Attributes:
        folder: the folder.
        digest: SHA-256 of its weights file.
        config: its config.
        network: its weights, in float32 and in evaluation mode.
    """

    folder: Path
    digest: str
    config: Config
    network: Network

    @property
    def name(self) -> str:
        """Its name in the provenance of adapters."""
        return self.folder.name


@contextmanager
def replaced_hypernetwork(folder: Path, more_files: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield a temporary folder that replaces `folder` when the `with` block ends without an error.

    Args:
        folder: folder to write; missing parents are created.
        more_files: names of files that may be replaced in addition to `HYPERNETWORK_FILES`.

    Raises:
        HypernetworkError: if `folder` holds other files or cannot be written.
    """
    with (
        reported_write_errors(folder, HypernetworkError),
        replaced_folder(folder, HYPERNETWORK_FILES | more_files, HypernetworkError) as temporary,
    ):
        yield temporary


def write_folder(folder: Path, config: BaseModel, stored: Mapping[str, Tensor]) -> None:
    """Write config and weights into an existing folder."""
    save_tensors(stored, folder / WEIGHTS_NAME)
    document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
    (folder / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`, without its format version.

    Raises:
        HypernetworkError: if the file is missing or damaged, or has another format version.
    """
    try:
        document = parse_json(read_plain_file(folder / CONFIG_NAME, MAX_CONFIG_BYTES).decode("utf-8"))
    except FileNotFoundError as error:
        raise _missing(folder, CONFIG_NAME) from error
    except OSError as error:
        raise damaged(folder, f"{CONFIG_NAME}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise damaged(folder, first_line(error)) from error
    if not isinstance(document, dict):
        raise damaged(folder, f"{CONFIG_NAME} holds a {type(document).__name__}, expected an object")
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise HypernetworkError(
            f"hypernetwork {folder} has format version {version}, expected {FORMAT_VERSION}; update lorify"
        )
    return document


def hypernetwork_folder(path: Path) -> Path:
    """Return the folder of a hypernetwork, which is downloaded if the path is an address on the hub.

    Raises:
        HypernetworkError: as `lorify.hub.local_folder`.
    """
    return local_folder(path, "hypernetwork", HypernetworkError)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights, in float32.

    Raises:
        HypernetworkError: if the file is missing or damaged.
    """
    try:
        open_plain_file(folder / WEIGHTS_NAME).close()
        return unpacked_weights(load_file(folder / WEIGHTS_NAME))
    except FileNotFoundError as error:
        raise _missing(folder, WEIGHTS_NAME) from error
    except (OSError, SafetensorError, RuntimeError) as error:  # a RuntimeError: a scale does not fit its matrix
        raise damaged(folder, first_line(error)) from error


def build_with_weights(
    build: Callable[[Config], Network], config: Config, weights: Mapping[str, Tensor], folder: Path
) -> Network:
    """Build the network of a config with the given weights, in evaluation mode.

    Raises:
        HypernetworkError: if names or shapes of the weights are not exactly those of the network; it names `folder`.
    """
    with torch.device("meta"):  # initializing weights would take time, and all the memory if the config is damaged
        network = build(config)
    mismatch = find_mismatch(network.state_dict(), weights)
    if mismatch is not None:
        raise damaged(folder, f"weights do not fit its config: {mismatch}")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def damaged(folder: Path, reason: str) -> HypernetworkError:
    """Build the error for a folder that cannot be loaded."""
    return HypernetworkError(f"hypernetwork {folder} is damaged or of another kind ({reason}); fetch or train it again")


def _missing(folder: Path, name: str) -> HypernetworkError:
    return HypernetworkError(f"{folder} is not a hypernetwork: {name} is missing; give a folder that lorify wrote")


def hypernetwork_digest(folder: Path) -> str:
    """Compute the SHA-256 of a hypernetwork's weights file.

    Raises:
        HypernetworkError: if there is no readable weights file.
    """
    try:
        with open_plain_file(folder / WEIGHTS_NAME) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise HypernetworkError(
            f"{folder} is not a hypernetwork: {WEIGHTS_NAME} cannot be read ({error.strerror}); give a folder that "
            "`lorify train` wrote"
        ) from error
