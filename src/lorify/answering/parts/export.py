"""Export an adapter in parts: one adapter per clause of its documents, and what is needed to choose one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from lorify.adapters import Adapter
from lorify.adapters.exports.registry import EXPORTS, ExportFormat
from lorify.answering.parts.model_card import write_parts_card
from lorify.answering.parts.records import PART_NAME_PATTERN, PARTS_NAME, PartRecord
from lorify.atomic import replaced_folder, reported_write_errors
from lorify.cancellation import CancelToken
from lorify.errors import AdapterError, HypernetworkError
from lorify.hypernets.internalizer import DocumentInternalizer
from lorify.hypernets.parts import DividedAdapter, DocumentPart
from lorify.hypernets.relevance import RELEVANCE_NAME, Relevance, save_relevance

_CARD_NAME = "README.md"


def export_parts(
    internalizer: DocumentInternalizer,
    adapter: Adapter,
    folder: Path,
    format: ExportFormat,
    *,
    probe: bool = True,
    max_parts: int | None = None,
    report: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Split an adapter into parts and export each.

    Args:
        internalizer: the hypernetwork that made the adapter.
        adapter: an adapter that keeps the tokens of its documents, or their index.
        folder: folder to write; an earlier export in parts is replaced atomically.
        format: format of the parts.
        probe: also run a probe prompt with the first part, in the library that the format is for.
        max_parts: maximum number of parts; an adapter with more is refused.
        report: called after each part with 1 and the number of all parts.
        cancel: cancels the export before the next part; nothing is written then.

    Raises:
        AdapterError: if the adapter cannot be divided or exported, or `folder` cannot be written or holds other files.
        HypernetworkError: if the hypernetwork's adapters cannot be divided, or it has no word weights to choose parts
            by.
    """
    parts, relevance = _divided(internalizer, adapter, max_parts)
    base, exporter = internalizer.base, format.exporter
    records, ranks = list[PartRecord](), set[int]()
    with (
        reported_write_errors(folder, AdapterError),
        replaced_folder(folder, _owned_names(folder), AdapterError) as temporary,
    ):
        for number, part in enumerate(parts, start=1):
            if cancel is not None:
                cancel.raise_if_cancelled()
            name = f"part-{number:05}{format.suffix or ''}"
            try:
                exporter.export_part(part.adapter, base, temporary / name, probe=probe and number == 1)
            except AdapterError as error:
                raise AdapterError(str(error).replace(str(temporary), str(folder))) from error
            records.append(_record_of(part, name))
            ranks |= {pair.rank for pair in part.adapter.weights.values()}
            if report is not None:
                report(1, len(parts))
        lines = "".join(record.model_dump_json() + "\n" for record in records)
        (temporary / PARTS_NAME).write_text(lines, encoding="utf-8")
        save_relevance(temporary, relevance)
        card = write_parts_card(base, internalizer.name, len(records), exporter, ranks)
        (temporary / _CARD_NAME).write_text(card, encoding="utf-8")


def _divided(
    internalizer: DocumentInternalizer, adapter: Adapter, max_parts: int | None
) -> tuple[DividedAdapter, Relevance]:
    """Split an adapter; also returns the word weights that parts are chosen by."""
    divider = internalizer.divider
    if divider is None:
        raise HypernetworkError(
            f"adapters of hypernetwork {internalizer.name} cannot be divided into parts; export the adapter whole"
        )
    if divider.relevance is None:
        raise HypernetworkError(
            f"hypernetwork {internalizer.name} has no {RELEVANCE_NAME} to choose parts by; export the adapter whole"
        )
    parts = divider.divide(adapter)
    if max_parts is not None and len(parts) > max_parts:
        raise AdapterError(
            f"the adapter has {len(parts)} parts, but at most {max_parts} are exported here; use lorify adapter export "
            "--parts, or an adapter of fewer documents"
        )
    return parts, divider.relevance


def _record_of(part: DocumentPart, name: str) -> PartRecord:
    return PartRecord(
        adapter=name, document=part.document, document_number=part.document_number, passage=part.passage, text=part.text
    )


def _owned_names(folder: Path) -> set[str]:
    """Names that belong to an earlier export in parts, in any format; names of folders end in `/`."""
    if not (folder / PARTS_NAME).is_file():
        return set()
    parts = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in folder.iterdir()
        if re.fullmatch(PART_NAME_PATTERN, path.name) and any(entry.is_part(path) for entry in EXPORTS.values())
    }
    return {PARTS_NAME, _CARD_NAME, RELEVANCE_NAME} | parts
