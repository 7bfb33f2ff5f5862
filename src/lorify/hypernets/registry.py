"""All kinds of hypernetworks, by the `kind` in their `config.json`.

To add a kind, write a package with a `HypernetworkKind` in it and add one line to `KINDS`. Code outside of lorify calls
`register` instead. Loading, averaging, importing and the command line find the kind here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from lorify.adapters.document_statistics import DocumentStatistics
from lorify.base.model import BaseLM
from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import DEFAULT_KIND, WEIGHTS_NAME, hypernetwork_folder, read_config
from lorify.hypernets.internalizer import DocumentInternalizer, Keep
from lorify.hypernets.kind import HypernetworkKind
from lorify.hypernets.specializer import Specializer

AnyKind = HypernetworkKind[Any, Any]
T = TypeVar("T")

# An entry given as a string is `module:attribute`, which is imported on first use.
KINDS: dict[str, AnyKind | str] = {
    "associative": "lorify.hypernets.associative.kind:ASSOCIATIVE",
    "perceiver": "lorify.hypernets.doc_to_lora.kind:DOC_TO_LORA",
    "task": "lorify.hypernets.text_to_lora.kind:TEXT_TO_LORA",
    "system_message": "lorify.hypernets.system_prompt.kind:SYSTEM_PROMPT",
}


def register(kind: AnyKind) -> None:
    """Add a kind of hypernetwork.

    Raises:
        HypernetworkError: if the name is taken, or the kind reads neither documents nor task descriptions, or both.
    """
    if kind.name in KINDS:
        raise HypernetworkError(f"there is already a kind of hypernetwork {kind.name!r}; choose another name")
    if (kind.load_internalizer is None) == (kind.load_specializer is None):
        raise HypernetworkError(
            f"kind of hypernetwork {kind.name!r} needs either load_internalizer (it reads documents) or "
            "load_specializer (it reads task descriptions)"
        )
    KINDS[kind.name] = kind


def find_kind(name: object) -> AnyKind:
    """Return the kind with a name.

    Raises:
        HypernetworkError: if no kind has this name.
    """
    entry = KINDS.get(name) if isinstance(name, str) else None
    if entry is None:
        raise HypernetworkError(f"unknown kind of hypernetwork {name!r}; known kinds: {', '.join(KINDS)}")
    return import_entry(entry)


def import_entry(entry: T | str) -> T:
    """Return an entry of a registry; one given as a string, `module:attribute`, is imported."""
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        return getattr(importlib.import_module(module), attribute)
    return entry


def all_kinds() -> Iterator[AnyKind]:
    """Return all kinds, in the order of the table."""
    return map(find_kind, KINDS)


def kept_of(statistics: DocumentStatistics) -> Keep:
    """Return how much an adapter keeps of a document's tokens, whichever kind of hypernetwork made it."""
    for kind in all_kinds():
        if (keep := kind.kept_of(statistics)) != "none":
            return keep
    return "none"


def weights_bytes(folder: Path) -> int:
    """Return the size of a hypernetwork's weights on disk, including other files that its kind keeps.

    Raises:
        HypernetworkError: if the folder's config is missing or damaged, or names an unknown kind.
    """
    paths = [folder / name for name in (WEIGHTS_NAME, *kind_of(folder).more_files)]
    return sum(path.stat().st_size for path in paths if path.is_file())


def kind_of(folder: Path) -> AnyKind:
    """Read the kind of the hypernetwork in a folder.

    Raises:
        HypernetworkError: if the folder's config is missing or damaged, or names an unknown kind.
    """
    name = read_config(hypernetwork_folder(folder)).get("kind", DEFAULT_KIND)
    try:
        return find_kind(name)
    except HypernetworkError as error:
        raise HypernetworkError(f"hypernetwork {folder}: {error}") from error


def load_hypernetwork(folder: Path) -> tuple[Any, nn.Module]:
    """Read config and network of a hypernetwork of any kind, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if a file is missing or damaged, the kind is unknown, or the weights do not fit the config.
    """
    return kind_of(folder).load(folder)


def load_internalizer(base: BaseLM, folder: Path) -> DocumentInternalizer:
    """Load a document hypernetwork with its base, and its context encoder if that is another model.

    Raises:
        HypernetworkError: as `load_hypernetwork`, or if it reads task descriptions or was made for another base.
    """
    kind = kind_of(folder)
    if kind.load_internalizer is None:
        raise HypernetworkError(
            f"hypernetwork {folder} reads descriptions of tasks, not documents; give it with --task-hypernetwork"
        )
    return kind.load_internalizer(base, kind.open(folder, base))


def load_specializer(base: BaseLM, folder: Path) -> Specializer:
    """Load a task hypernetwork with its base and its description encoder.

    Raises:
        HypernetworkError: as `load_hypernetwork`, or if it reads documents, was made for another base or encoder, or
            knows tasks by number only.
        ContextError: if its description encoder cannot be found, fetched or read.
    """
    kind = kind_of(folder)
    if kind.load_specializer is None:
        raise HypernetworkError(
            f"hypernetwork {folder} reads documents, not descriptions of tasks; give it with --hypernetwork, and a "
            "task hypernetwork with --task-hypernetwork"
        )
    return kind.load_specializer(base, kind.open(folder, base))
