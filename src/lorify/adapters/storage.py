"""Adapters on disk: `adapter.json`, and `adapter.safetensors`, `statistics.safetensors` or both.

Weights that a hypernetwork rebuilds from the statistics are not stored.

`adapter.json` holds the SHA-256 of the tensor files, to detect damaged files and files of another adapter. Saving
writes a temporary folder next to the target and renames it, so readers see either the old adapter or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from lorify.adapters.adapter import Adapter, Provenance
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.adapters.pairs import Key, LoraPair, PairShape, RebuiltWeights
from lorify.atomic import replaced_folder, reported_write_errors, save_tensors
from lorify.errors import AdapterError, first_problem
from lorify.hub import local_folder
from lorify.json_text import parse_json
from lorify.plain_files import read_plain_file

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""In version 1, weights were always stored."""
RECORD_NAME = "adapter.json"
WEIGHTS_NAME = "adapter.safetensors"
STATISTICS_NAME = "statistics.safetensors"
MAX_RECORD_BYTES = 64 << 20
MAX_HEADER_BYTES = 64 << 20
MAX_STATISTICS_BYTES = 16 << 30
FILES = frozenset({RECORD_NAME, WEIGHTS_NAME, STATISTICS_NAME})


class _ModuleRecord(BaseModel):
    """Linear layer and shape of one pair."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layer: int = Field(ge=0, description="Index of the transformer block.")
    module: str = Field(min_length=1, description="Name of the linear layer.")
    rank: int = Field(gt=0, description="Rank r of the pair.")
    d_in: int = Field(gt=0, description="Input features of the linear layer.")
    d_out: int = Field(gt=0, description="Output features of the linear layer.")


class _AdapterRecord(BaseModel):
    """Content of `adapter.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(description="Version of this format.")
    lora_alpha: float = Field(gt=0, description="Scaling of a pair is `lora_alpha / rank`.")
    modules: tuple[_ModuleRecord, ...] = Field(min_length=1, description="The adapted linear layers.")
    weights_sha256: str | None = Field(
        description="SHA-256 of the weights file, null if the weights follow from the statistics."
    )
    statistics_sha256: str | None = Field(description="SHA-256 of the statistics file, null if there is none.")
    provenance: Provenance = Field(description="Base, hypernetwork and documents.")

    @property
    def shapes(self) -> dict[Key, PairShape]:
        """Return the shape of each pair."""
        return {(entry.layer, entry.module): PairShape(entry.rank, entry.d_in, entry.d_out) for entry in self.modules}


def save_adapter(adapter: Adapter, folder: Path, *, replaces: bytes | None = None) -> None:
    """Write an adapter; an earlier adapter in `folder` is replaced atomically.

    Weights keep their dtype; weights that can be rebuilt from the statistics are not written. Statistics in float64 are
    stored in float32, others in their own dtype.

    Args:
        adapter: the adapter.
        folder: folder to write; missing parents are created.
        replaces: content of the `adapter.json` that `adapter` was changed from; None replaces any adapter.

    Raises:
        AdapterError: if `folder` contains anything but an adapter, or not the one in `replaces`, or cannot be written.
    """
    files: dict[str, dict[str, Tensor]] = {}
    if adapter.statistics is None or not isinstance(adapter.weights, RebuiltWeights):
        files[WEIGHTS_NAME] = {
            f"{layer}.{module}.lora_{name}": tensor
            for (layer, module), pair in adapter.weights.items()
            for name, tensor in (("A", pair.A), ("B", pair.B))
        }
    if adapter.statistics is not None:
        files[STATISTICS_NAME] = {
            f"{i}.{name}": _stored(x)
            for i, document in enumerate(adapter.statistics)
            for name, x in document.tensors.items()
        }
    with reported_write_errors(folder, AdapterError), replaced_folder(folder, FILES, AdapterError) as temporary:
        # In parallel, since a client of the server waits for both.
        with ThreadPoolExecutor(len(files)) as threads:
            written = {n: threads.submit(_write_and_hash, x, temporary / n) for n, x in files.items()}
            digests = {name: digest.result() for name, digest in written.items()}
        record = _AdapterRecord(
            format_version=FORMAT_VERSION,
            lora_alpha=adapter.lora_alpha,
            modules=tuple(
                _ModuleRecord(layer=layer, module=module, **shape._asdict())
                for (layer, module), shape in adapter.shapes.items()
            ),
            weights_sha256=digests.get(WEIGHTS_NAME),
            statistics_sha256=digests.get(STATISTICS_NAME),
            provenance=adapter.provenance,
        )
        (temporary / RECORD_NAME).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if replaces is not None:  # checked last, so that others have no time to change it
            _check_unchanged(folder, replaces)


def _check_unchanged(folder: Path, record: bytes) -> None:
    """Check that the record in an adapter's folder is still the one read before the adapter was changed."""
    try:
        is_unchanged = (folder / RECORD_NAME).read_bytes() == record
    except FileNotFoundError:
        is_unchanged = False
    if not is_unchanged:
        raise AdapterError(f"adapter {folder} was changed by another command in the meantime; run this one again")


def read_provenance(folder: Path) -> Provenance:
    """Read what a saved adapter was made of, without its tensors.

    Raises:
        AdapterError: if the folder contains no adapter, or its record is damaged.
    """
    return _read_record(folder).provenance


def stored_bytes(folder: Path) -> int:
    """Return the size of an adapter's files in bytes.

    Args:
        folder: as for `load_adapter`.
    """
    paths = [local_folder(folder, "adapter", AdapterError) / name for name in FILES]
    return sum(path.stat().st_size for path in paths if path.is_file())


def load_adapter(folder: Path) -> Adapter:
    """Load an adapter saved by `save_adapter`.

    Args:
        folder: its folder, or its address on the hub (see `lorify.hub`).

    Raises:
        AdapterError: if a file is missing or damaged, the format version differs, or the tensors are not those listed
            in `adapter.json`.
    """
    folder = local_folder(folder, "adapter", AdapterError)
    record = _read_record(folder)
    sha256 = record.weights_sha256
    weights = _missing_weights(record, folder) if sha256 is None else _read_weights(record, sha256, folder)
    statistics = None
    if record.statistics_sha256 is not None:
        statistics = _split_statistics(
            _read_tensors(folder / STATISTICS_NAME, record.statistics_sha256, MAX_STATISTICS_BYTES),
            len(record.provenance.documents),
            folder,
        )
    return Adapter(weights, record.lora_alpha, record.provenance, statistics)


def _read_weights(record: _AdapterRecord, sha256: str, folder: Path) -> dict[Key, LoraPair]:
    shapes = record.shapes
    numbers = sum(shape.rank * (shape.d_in + shape.d_out) for shape in shapes.values())
    tensors = _read_tensors(folder / WEIGHTS_NAME, sha256, MAX_HEADER_BYTES + 8 * numbers)
    wanted: dict[str, tuple[int, ...]] = {}
    for (layer, module), shape in shapes.items():
        wanted[f"{layer}.{module}.lora_A"] = (shape.rank, shape.d_in)
        wanted[f"{layer}.{module}.lora_B"] = (shape.d_out, shape.rank)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted != found:
        name = min(wanted.keys() - found.keys() or {entry[0] for entry in wanted.items() ^ found.items()})
        raise AdapterError(
            f"adapter {folder}: {name} is {found.get(name, 'missing')}, but {RECORD_NAME} says "
            f"{wanted.get(name, 'there is none')}; make the adapter again"
        )
    return {
        (layer, module): LoraPair(tensors[f"{layer}.{module}.lora_A"], tensors[f"{layer}.{module}.lora_B"])
        for layer, module in shapes
    }


def _missing_weights(record: _AdapterRecord, folder: Path) -> RebuiltWeights:
    """Weights of which only the shapes are known, until a hypernetwork rebuilds them (`Lorify.load_adapter`)."""
    if record.statistics_sha256 is None:
        raise AdapterError(
            f"adapter {folder}: {RECORD_NAME} is damaged: there are neither weights nor statistics; make the adapter "
            "again"
        )
    made_by = record.provenance.hypernetwork

    def refuse() -> dict[Key, LoraPair]:
        raise AdapterError(
            f"the weights of adapter {folder} are rebuilt by the hypernetwork that made it, {made_by} (SHA-256 "
            f"{(record.provenance.hypernetwork_digest or '')[:8]}...), which is not loaded; give it with --hypernetwork"
        )

    return RebuiltWeights(record.shapes, refuse)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; tensors may be on any device and may share memory.

    Args:
        tensors: name -> tensor.
        path: file to write.
        metadata: strings for the header of the file.
    """
    on_cpu: dict[str, Tensor] = {}
    addresses: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        on_cpu[name] = tensor.clone() if tensor.data_ptr() in addresses else tensor
        addresses.add(tensor.data_ptr())
    save_tensors(on_cpu, path, metadata)


def _write_and_hash(tensors: Mapping[str, Tensor], path: Path) -> str:
    write_tensors(tensors, path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(folder: Path) -> _AdapterRecord:
    if not folder.is_dir():
        raise AdapterError(f"there is no adapter folder {folder}; give a folder in which lorify saved an adapter")
    path = folder / RECORD_NAME
    if not os.path.lexists(path):
        if (folder / "adapter_config.json").is_file():
            raise AdapterError(f"{folder} holds a PEFT adapter, not a lorify adapter; import it first")
        raise AdapterError(f"{folder} is not an adapter: {RECORD_NAME} is missing; give a folder that lorify saved")
    try:
        document = parse_json(read_plain_file(path, MAX_RECORD_BYTES).decode("utf-8"))
        version = document.get("format_version") if isinstance(document, dict) else None
        if isinstance(version, int) and version not in READABLE_VERSIONS:
            raise AdapterError(
                f"adapter {folder} has format version {version}, expected {FORMAT_VERSION}; "
                f"{'update lorify' if version > FORMAT_VERSION else 'make the adapter again'}"
            )
        return _AdapterRecord.model_validate(document)
    except ValidationError as error:
        raise AdapterError(
            f"adapter {folder}: {RECORD_NAME} is damaged ({first_problem(error)}); make the adapter again"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AdapterError(f"adapter {folder}: {RECORD_NAME} is damaged ({reason}); make the adapter again") from error


def _read_tensors(path: Path, sha256: str, max_bytes: int) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file and check its size and its SHA-256."""
    try:
        content = read_plain_file(path, max_bytes)
    except OSError as error:
        raise AdapterError(
            f"adapter {path.parent}: {path.name} cannot be read ({error.strerror}); make the adapter again"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise AdapterError(
            f"adapter {path.parent}: {path.name} is damaged or belongs to another adapter (its SHA-256 is not the one "
            f"in {RECORD_NAME}); make the adapter again"
        )
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise AdapterError(
            f"adapter {path.parent}: {path.name} is not a safetensors file ({error}); make the adapter again"
        ) from error


def _stored(statistic: Tensor) -> Tensor:
    return statistic.float() if statistic.dtype == torch.float64 else statistic


def _split_statistics(
    tensors: Mapping[str, Tensor], num_documents: int, folder: Path
) -> tuple[DocumentStatistics, ...]:
    documents: list[dict[str, Tensor]] = [{} for _ in range(num_documents)]
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdecimal() or int(index) >= num_documents:
            raise AdapterError(
                f"adapter {folder}: {STATISTICS_NAME} has {key!r}, which belongs to none of its {num_documents} "
                "documents; make the adapter again"
            )
        documents[int(index)][name] = tensor
    return tuple(map(DocumentStatistics, documents))
