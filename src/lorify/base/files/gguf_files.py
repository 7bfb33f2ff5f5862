"""GGUF files of a base model: find the shards of a split file, and check that no tensor is missing.

Only headers are read. Without this check, an incomplete file would be loaded with random weights for missing tensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorify.errors import BaseModelError, first_line

if TYPE_CHECKING:
    from gguf import GGUFReader

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")
_REQUIRED = ("token_embd.weight", "output_norm.weight")
_OTHER_TYPES = {
    "adapter": "a LoRA adapter, not a base model; give the base it was made for",
    "mmproj": "the image encoder of a model; give the language model's file",
    "imatrix": "a matrix for quantizing; give the language model's file",
    "vocab": "a vocabulary without weights; give the whole model",
}


def find_shards(path: Path) -> list[Path]:
    """Return all files of a base model in order: the file itself, or every shard of its set.

    Raises:
        BaseModelError: if a shard is missing.
    """
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    names = [f"{match['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise BaseModelError(
            f"{path.name} is one of {count} files of a model, and {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} missing; put all of them into one folder"
        )
    return [path.parent / name for name in names]


def check_complete(shards: Sequence[Path]) -> None:
    """Refuse files that are not a language model, or lack some of its tensors.

    Args:
        shards: from `find_shards`.

    Raises:
        BaseModelError: if they cannot be read, contain other tensors as well, or are incomplete.
    """
    readers = [_open(shard) for shard in shards]
    first, name = readers[0], shards[0].name
    names = [tensor.name for reader in readers for tensor in reader.tensors]
    kind = str(_value(first, "general.type") or "")
    if kind in _OTHER_TYPES:
        raise BaseModelError(f"{name} is {_OTHER_TYPES[kind]}")
    if any(tensor.endswith((".lora_a", ".lora_b")) for tensor in names):
        raise BaseModelError(f"{name} is {_OTHER_TYPES['adapter']}")
    num_shards = int(_value(first, "split.count") or 1)
    if num_shards != len(shards):
        raise BaseModelError(
            f"{name} is one of {num_shards} files of a model; name them NAME-00001-of-{num_shards:05d}.gguf and so on, "
            "in one folder"
        )
    missing = _missing_tensors(first, names)
    if missing:
        shown = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
        raise BaseModelError(f"{name} is incomplete: it lacks {len(missing)} tensors ({shown}); download it again")
    foreign = _foreign_tensors(first, names)
    if foreign:
        raise BaseModelError(
            f"{name} holds {len(foreign)} tensors that are not part of its model ({', '.join(foreign[:3])}); convert "
            "it again"
        )


def merge_shards(shards: Sequence[Path], target: Path) -> None:
    """Write the shards of a model as one GGUF file.

    Args:
        shards: from `find_shards`, in order; metadata is taken from the first.
        target: the file to write.

    Raises:
        BaseModelError: if a shard cannot be read.
    """
    from gguf import GGUFValueType, GGUFWriter

    readers = [_open(shard) for shard in shards]
    first = readers[0]
    writer = GGUFWriter(target, str(_value(first, "general.architecture")))
    for key, field in first.fields.items():
        if key.startswith(("GGUF.", "split.")) or key == "general.architecture":
            continue
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
    for tensor in (tensor for reader in readers for tensor in reader.tensors):
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _open(path: Path) -> GGUFReader:
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except Exception as error:  # the reader raises errors of many types on damaged files
        raise BaseModelError(
            f"{path.name} cannot be read as a language model ({type(error).__name__}: {first_line(error)}); download "
            "it again, or give a folder in Hugging Face form"
        ) from error


def _value(reader: GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()


def _missing_tensors(first: GGUFReader, names: Iterable[str]) -> list[str]:
    """Return the tensors that the header implies but the files lack.

    Every block is expected to have the tensors that most blocks have.
    """
    found = set(names)
    missing = [name for name in _REQUIRED if name not in found]
    architecture = _value(first, "general.architecture")
    num_blocks = int(_value(first, f"{architecture}.block_count") or 0)
    counts: dict[str, int] = {}
    for match in filter(None, map(_BLOCK.fullmatch, found)):
        counts[match[2]] = counts.get(match[2], 0) + 1
    usual = [suffix for suffix, count in counts.items() if 2 * count >= max(counts.values())]
    expected = (f"blk.{block}.{suffix}" for block in range(num_blocks) for suffix in sorted(usual))
    missing += [name for name in expected if name not in found]
    promised = int(_value(first, "split.tensors.count") or 0)
    if not missing and promised > len(found):
        missing += ["unnamed"] * (promised - len(found))
    return missing


def _foreign_tensors(first: GGUFReader, names: Iterable[str]) -> list[str]:
    """Return tensors that do not occur in models of this architecture and number of blocks.

    Architectures unknown to the package gguf are not checked.
    """
    from gguf import MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES

    architecture = _value(first, "general.architecture")
    known = next((key for key, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if known is None:
        return []
    patterns = {TENSOR_NAMES[tensor] for tensor in MODEL_TENSORS[known]}
    num_blocks = int(_value(first, f"{architecture}.block_count") or 0)
    return [name for name in names if not _is_known(name, patterns, num_blocks)]


def _is_known(name: str, patterns: set[str], num_blocks: int) -> bool:
    block = _BLOCK.fullmatch(name)
    stem = f"blk.{{bid}}.{block[2]}" if block else name
    return stem.rpartition(".")[0] in patterns and (block is None or int(block[1]) < num_blocks)
