"""A library of task LoRAs on disk: numbered adapter folders, and `library.json` with task names and descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.adapters import Adapter
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.atomic import replaced_folder
from lorify.errors import AdapterError, first_line
from lorify.json_text import parse_json

RECORD_NAME = "library.json"
ADAPTERS_NAME = "adapters"


class _LibraryRecord(BaseModel):
    """Content of `library.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(description="Version of this format.")
    descriptions: dict[str, tuple[str, ...]] = Field(min_length=1, description="Descriptions of each task, by name.")


@dataclass(frozen=True)
class Library:
    """LoRAs of tasks.

    Attributes:
        adapters: task name -> its adapter; all adapt the same linear layers with the same rank.
        descriptions: task name -> its training descriptions.
    """

    adapters: Mapping[str, Adapter]
    descriptions: Mapping[str, tuple[str, ...]]


def save_library(library: Library, folder: Path) -> None:
    """Write a library; an earlier one in `folder` is replaced completely or not at all.

    Raises:
        AdapterError: if `folder` contains anything but a library.
        OSError: if it cannot be written.
    """
    record = _LibraryRecord(format_version=1, descriptions=dict(library.descriptions))
    with replaced_folder(folder, {RECORD_NAME, f"{ADAPTERS_NAME}/"}, AdapterError) as temporary:
        (temporary / ADAPTERS_NAME).mkdir()
        for number, name in enumerate(library.descriptions):
            save_adapter(library.adapters[name], _adapter_dir(temporary, number))
        (temporary / RECORD_NAME).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_library(folder: Path) -> Library:
    """Read a library.

    Raises:
        AdapterError: if the folder holds no library, an adapter is missing or damaged, or their shapes differ.
    """
    descriptions = load_descriptions(folder)
    adapters = {name: load_adapter(_adapter_dir(folder, number)) for number, name in enumerate(descriptions)}
    shapes = {_shape(adapter) for adapter in adapters.values()}
    if len(shapes) > 1:
        raise AdapterError(f"library {folder} has adapters of different bases, layers or ranks; train it again")
    return Library(adapters, descriptions)


def load_descriptions(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Read the descriptions of a library's tasks, by name, without its adapters.

    Raises:
        AdapterError: if the folder holds no library.
    """
    try:
        record = _LibraryRecord.model_validate(parse_json((folder / RECORD_NAME).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise AdapterError(
            f"{folder} is not a library of LoRAs: {RECORD_NAME} is missing; give the `best` of a run of kind lora"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
        reason = first_line(error)
        raise AdapterError(f"library {folder}: {RECORD_NAME} is damaged ({reason}); train it again") from error
    return record.descriptions


def _adapter_dir(folder: Path, number: int) -> Path:
    """Folder of an adapter, named by number because not every task name is a valid file name."""
    return folder / ADAPTERS_NAME / f"{number:04d}"


def _shape(adapter: Adapter) -> tuple[object, ...]:
    """Return the properties that all adapters of a library share."""
    pairs = sorted((key, tuple(pair.A.shape), tuple(pair.B.shape)) for key, pair in adapter.weights.items())
    return (adapter.provenance.base_digest, adapter.lora_alpha, *pairs)
