"""Hypernetworks on disk: `config.json` and `hypernetwork.safetensors` in one folder, written atomically.

Large matrices are stored as 8-bit whole numbers with a float scale for each output channel (`NAME.scale`): half the
size of bfloat16 at about its rounding error. Those that become the `A` of adapters have their output channels first,
and keep such a scale all the way to decoding, which reads them in 8 bits (see `lorify.base.packed_weights`).
Perceivers are stored in float32, as they were trained: their adapters then match those of the reference implementation.
The `kind` in `config.json` says what a folder holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lorify.atomic import replaced_folder, save_tensors
from lorify.errors import HypernetworkError, first_problem
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.relevance import Relevance, save_relevance
from lorify.hypernets.doc_to_lora.network import PerceiverConfig, PerceiverHypernetwork

FORMAT_VERSION = 1
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "hypernetwork.safetensors"
SCALE_SUFFIX = ".scale"
# `confidence.json` is fitted to the weights beside it, so new weights delete it.
HYPERNETWORK_FILES = frozenset({CONFIG_NAME, WEIGHTS_NAME, "relevance.json", "confidence.json"})
MIN_PACKED_NUMBERS = 4096
TASK_KINDS = ("task", "system_message")
OUTPUT_FIRST = ("query", "bias_A", "reading_A", "shared.A")

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=BaseModel)
DocumentConfig = AssociativeConfig | PerceiverConfig
Loaded = tuple[AssociativeConfig, AssociativeHypernetwork] | tuple[PerceiverConfig, PerceiverHypernetwork]
"""A hypernetwork of either kind with its config."""


def save_hypernetwork(
    folder: Path, config: DocumentConfig, hypernetwork: nn.Module, *, relevance: Relevance | None = None
) -> None:
    """Write a hypernetwork; an earlier one in `folder` is replaced at once or not at all.

    Args:
        folder: where to; its parent is made.
        config: its shape and base.
        hypernetwork: its weights.
        relevance: the word test that goes with it, if there is one.

    Raises:
        HypernetworkError: if `folder` contains anything but a hypernetwork.
        OSError: if it cannot be written.
    """
    weights = hypernetwork.state_dict()
    if isinstance(config, AssociativeConfig):
        stored = packed_weights(weights)
    else:
        stored = exact_weights(weights)
    with replaced_folder(folder, HYPERNETWORK_FILES, HypernetworkError) as temporary:
        write_folder(temporary, config, stored)
        if relevance is not None:
            save_relevance(temporary, relevance)


def write_folder(folder: Path, config: BaseModel, stored: Mapping[str, Tensor]) -> None:
    """Write the config and the weights of a hypernetwork of any kind into a folder that is there."""
    save_tensors(stored, folder / WEIGHTS_NAME)
    document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
    (folder / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def load_hypernetwork(folder: Path) -> Loaded:
    """Read a hypernetwork, in float32.

    Raises:
        HypernetworkError: if a file is missing or damaged, or the weights do not fit the config.
    """
    config, weights = read_folder(folder, lambda document: _read_config(document, folder))
    if isinstance(config, AssociativeConfig):
        return config, filled(AssociativeHypernetwork, config, weights, folder)
    return config, filled(PerceiverHypernetwork, config, weights, folder)


def read_folder(folder: Path, read_config: Callable[[object], Config]) -> tuple[Config, dict[str, Tensor]]:
    """The config and the weights, in float32, of a hypernetwork of any kind.

    Args:
        folder: where from.
        read_config: checks the config, which comes without its format version.

    Raises:
        HypernetworkError: if a file is missing or damaged, or from another version.
    """
    try:
        document = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
        version = document.pop("format_version", None) if isinstance(document, dict) else FORMAT_VERSION
        if version != FORMAT_VERSION:
            raise HypernetworkError(
                f"hypernetwork {folder} has format version {version}, expected {FORMAT_VERSION}; update lorify"
            )
        return read_config(document), unpacked_weights(load_file(folder / WEIGHTS_NAME))
    except FileNotFoundError as error:
        raise HypernetworkError(
            f"{folder} is no hypernetwork: {Path(error.filename or WEIGHTS_NAME).name} is missing; "
            "give a folder that lorify wrote"
        ) from error
    except ValidationError as error:
        raise _damaged(folder, f"{CONFIG_NAME}: {first_problem(error)}") from error
    except (
        OSError,
        json.JSONDecodeError,
        RecursionError,
        SafetensorError,
        UnicodeDecodeError,
        RuntimeError,  # a scale that does not fit its matrix
    ) as error:
        raise _damaged(folder, str(error).splitlines()[0]) from error


def filled(build: Callable[[Config], Network], config: Config, weights: Mapping[str, Tensor], folder: Path) -> Network:
    """The hypernetwork of a config with these weights, which have to be exactly its own, in evaluation mode.

    Raises:
        HypernetworkError: if they are others; it names `folder`.
    """
    with torch.device("meta"):  # initial weights would take time for nothing, and a damaged config all the memory
        hypernetwork = build(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in hypernetwork.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if wanted != found:
        name = min({entry[0] for entry in wanted.items() ^ found.items()})
        raise _damaged(
            folder,
            f"weights do not fit its config: {name} is {found.get(name, 'missing')}, "
            f"expected {wanted.get(name, 'nothing')}",
        )
    hypernetwork.load_state_dict(weights, assign=True)
    return hypernetwork.eval()


def _damaged(folder: Path, reason: str) -> HypernetworkError:
    return HypernetworkError(f"hypernetwork {folder} is damaged or of another kind ({reason}); fetch or train it again")


def hypernetwork_kind(folder: Path) -> str | None:
    """The kind that a hypernetwork folder's config names; None if it cannot be read, or names none."""
    try:
        document = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return None  # whoever reads the whole says what is wrong with it
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def load_associative(folder: Path) -> tuple[AssociativeConfig, AssociativeHypernetwork]:
    """Read an associative hypernetwork.

    Raises:
        HypernetworkError: if the folder holds another kind, or see `load_hypernetwork`.
    """
    config, hypernetwork = load_hypernetwork(folder)
    if not isinstance(config, AssociativeConfig) or not isinstance(hypernetwork, AssociativeHypernetwork):
        raise HypernetworkError(f"hypernetwork {folder} is of kind {config.kind}, expected an associative one")
    return config, hypernetwork


def _read_config(document: object, folder: Path) -> DocumentConfig:
    kind = document.get("kind", "associative") if isinstance(document, dict) else "associative"
    if kind in TASK_KINDS:
        raise HypernetworkError(
            f"hypernetwork {folder} reads descriptions of tasks, not documents; give it with --task-hypernetwork"
        )
    return (PerceiverConfig if kind == "perceiver" else AssociativeConfig).model_validate(document)


def packed_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored: large matrices in 8 bits, the rest in float32."""
    packed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        tensor = tensor.detach().float().cpu()
        # Vectors, and stacks of them, are few and matter one by one.
        if min(tensor.shape[-2:], default=1) == 1 or tensor.ndim < 2 or tensor.numel() < MIN_PACKED_NUMBERS:
            packed[name] = tensor.contiguous()
            continue
        channel = -1 if name.startswith(OUTPUT_FIRST) else -2  # the dimension that is summed over
        scale = tensor.abs().amax(channel, keepdim=True).clamp_min(1e-12) / 127
        packed[name] = (tensor / scale).round().to(torch.int8).contiguous()
        packed[name + SCALE_SUFFIX] = scale.contiguous()
    return packed


def exact_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored where every number is kept, in float32."""
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in weights.items()}


def unpacked_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float32 from `packed_weights`; a scale without its matrix is left for the caller to refuse."""
    scales = {name for name in stored if name.endswith(SCALE_SUFFIX) and name.removesuffix(SCALE_SUFFIX) in stored}
    return {
        name: tensor.float() * stored[name + SCALE_SUFFIX] if name + SCALE_SUFFIX in scales else tensor.float()
        for name, tensor in stored.items()
        if name not in scales
    }


def hypernetwork_digest(folder: Path) -> str:
    """SHA-256 of a hypernetwork's weights file.

    Raises:
        HypernetworkError: if there is none that can be read.
    """
    try:
        with (folder / WEIGHTS_NAME).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise HypernetworkError(
            f"{folder} is no hypernetwork: {WEIGHTS_NAME} cannot be read ({error.strerror}); give a folder that "
            "`lorify train` wrote"
        ) from error
