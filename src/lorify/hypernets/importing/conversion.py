"""Convert a checkpoint of a paper's authors to a hypernetwork folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorify.base.model import BaseLM
from lorify.errors import BaseModelError, HypernetworkError, first_line
from lorify.hypernets.checkpoint import replaced_hypernetwork
from lorify.hypernets.importing.probe import tokenizer_misfit
from lorify.hypernets.kind import HypernetworkKind, Importer
from lorify.hypernets.registry import all_kinds

REASON_CHARS = 160


@dataclass(frozen=True)
class Conversion:
    """Result of converting a checkpoint.

    Attributes:
        details: facts about the hypernetwork, as JSON values.
        warning: what could not be checked, or None.
    """

    details: dict[str, object]
    warning: str | None


def is_checkpoint(path: Path) -> bool:
    """Return whether a file or folder is a checkpoint that some importer can read."""
    return _find_importer(path) is not None


def checkpoint_markers() -> list[str]:
    """Return the file names by which importers recognize their checkpoints."""
    return [importer.marker for _, importer in _importers()]


def find_kind_of_checkpoint(path: Path) -> tuple[HypernetworkKind[Any, Any], Importer[Any, Any]]:
    """Find the kind whose importer can read a checkpoint, by its file names.

    Args:
        path: the checkpoint: a file, its folder, or the folder above.

    Raises:
        HypernetworkError: if no importer can read it.
    """
    found = _find_importer(path)
    if found is None:
        known = ", ".join(f"{importer.marker} ({importer.source})" for _, importer in _importers())
        raise HypernetworkError(
            f"{path} is not a checkpoint that can be imported; expected a folder with {known}, or a PEFT adapter"
        )
    return found


def _importers() -> list[tuple[HypernetworkKind[Any, Any], Importer[Any, Any]]]:
    return [(kind, kind.importer) for kind in all_kinds() if kind.importer is not None]


def _find_importer(path: Path) -> tuple[HypernetworkKind[Any, Any], Importer[Any, Any]] | None:
    for kind, importer in _importers():
        if (path.is_file() and path.name == importer.marker) or (path / importer.marker).is_file():
            return kind, importer
    for kind, importer in _importers():
        if any(path.glob(f"*/{importer.marker}")):
            return kind, importer
    return None


def convert_checkpoint(kind: HypernetworkKind[Any, Any], path: Path, base: BaseLM, output: Path) -> Conversion:
    """Convert a checkpoint to a hypernetwork folder, which is kept only if its adapter matches the checkpoint.

    Args:
        kind: from `find_kind_of_checkpoint`.
        path: the checkpoint.
        base: the base it was trained for.
        output: folder to write.

    Raises:
        HypernetworkError: if the checkpoint cannot be read, does not fit the base, or the written hypernetwork does not
            make the adapter that the checkpoint's weights define; nothing is kept then.
        BaseModelError: if the base's tokenizer, which a document hypernetwork needs, belongs to another base.
    """
    importer = kind.importer
    assert importer is not None
    misfit = tokenizer_misfit(base)
    if misfit is not None and kind.load_internalizer is not None:  # the check of such a kind reads a document
        raise BaseModelError(misfit)
    with _naming(path, base):
        config, network = importer.read(path, base)
        with replaced_hypernetwork(output, kind.more_files) as temporary:
            kind.save(temporary, config, network, exact=True)
            change = importer.check(base, kind.open(temporary, base), network)
    details = {**importer.describe(config), "parameters": network.num_parameters, "probe_logit_change": change}
    doubts = [doubt for doubt in (misfit, importer.find_doubts(path, base)) if doubt is not None]
    return Conversion(details, "; ".join(doubts) or None)


@contextmanager
def _naming(path: Path, base: BaseLM) -> Iterator[None]:
    """Turn errors that a damaged or foreign checkpoint raises in torch or its readers into one that names it.

    Raises:
        HypernetworkError: if such an error occurs.
    """
    try:
        yield
    except (IndexError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError, ArithmeticError) as error:
        reason = first_line(error)[:REASON_CHARS]
        if "memory" in reason:  # the command line has a message for that
            raise
        raise HypernetworkError(
            f"checkpoint {path} cannot be imported for base {base.name} ({type(error).__name__}: {reason}); give the "
            "base it was trained for, and all files of one training run as the authors published them"
        ) from error
