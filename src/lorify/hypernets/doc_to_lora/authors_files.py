"""The files of a Doc-to-LoRA checkpoint: `pytorch_model.bin`, and the run's `args.yaml` next to it or one level up.

`pytorch_model.bin` holds the state dict and three more entries, two of them pickled settings. A restricted unpickler
reads it (`lorify.hypernets.importing.safe_torch_load`).

Source: github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from lorify.errors import HypernetworkError
from lorify.hypernets.importing.safe_torch_load import load_torch_file, settings
from lorify.yaml_text import parse_yaml

WEIGHTS_NAME = "pytorch_model.bin"
ARGUMENTS_NAME = "args.yaml"
PUBLISHED_CHUNK_TOKENS = 512
"""Longest chunk in the published multi-chunk training, for checkpoints without `args.yaml`."""

_PICKLED_CLASSES = (
    "ctx_to_lora.modeling.hypernet.HypernetConfig",
    "ctx_to_lora.modeling.aggregator.AggregatorConfig",
    "ctx_to_lora.modeling.aggregator.AGGREGATOR_TYPE",
    "ctx_to_lora.modeling.ctx_encoder.CTX_ENCODER_TYPE",
    "ctx_to_lora.pooling.POOL_FN",
    "ctx_to_lora.configs.CtxEncoderArguments",
    "peft.tuners.lora.config.LoraConfig",
    "peft.tuners.lora.config.LoraRuntimeConfig",
    "peft.tuners.lora.config.EvaConfig",
    "peft.tuners.lora.config.CordaConfig",
    "peft.tuners.lora.config.LoftQConfig",
    "peft.utils.peft_types.PeftType",
    "peft.utils.peft_types.TaskType",
)
_COMPILED_PREFIX = "_orig_mod."


@dataclass(frozen=True)
class DocToLoraCheckpoint:
    """Content of `pytorch_model.bin`.

    Attributes:
        file: the file.
        base_name: hub id or folder of the base it was trained for.
        weights: state dict in float32, under the authors' names.
        hypernetwork: settings of the hypernetwork.
        lora: settings of the generated LoRA.
        perceiver: settings of the Perceiver.
        encoder: settings of the context encoder.
    """

    file: Path
    base_name: str
    weights: dict[str, Tensor]
    hypernetwork: dict[str, Any]
    lora: dict[str, Any]
    perceiver: dict[str, Any]
    encoder: dict[str, Any]


def find_d2l_weights(path: Path) -> Path | None:
    """Find `pytorch_model.bin` at a path: the file, its folder, or the run's folder with `checkpoint-STEP` in it.

    Returns:
        The file, from the last checkpoint if there are several; None if there is none.
    """
    if path.is_file():
        return path
    if (path / WEIGHTS_NAME).is_file():
        return path / WEIGHTS_NAME
    steps = [(int(match[1]), file) for file in path.glob(f"checkpoint-*/{WEIGHTS_NAME}")
             if (match := re.fullmatch(r"checkpoint-(\d+)", file.parent.name))]  # fmt: skip
    return max(steps)[1] if steps else None


def read_checkpoint(path: Path) -> DocToLoraCheckpoint:
    """Read a checkpoint without executing any pickled code.

    Raises:
        HypernetworkError: if the file is missing, damaged or malicious.
        KeyError, TypeError: if a setting is missing or of another type.
    """
    file, stored = _read_entries(path)
    hypernetwork = settings(stored["hypernet_config"], "hypernet_config", file)
    return DocToLoraCheckpoint(
        file=file,
        base_name=str(stored["base_model_name_or_path"]),
        weights={
            str(name).removeprefix(_COMPILED_PREFIX): tensor.float()
            for name, tensor in stored.items()
            if isinstance(tensor, Tensor)
        },
        hypernetwork=hypernetwork,
        lora=settings(hypernetwork["lora_config"], "lora_config", file),
        perceiver=settings(hypernetwork["aggregator_config"], "aggregator_config", file),
        encoder=settings(stored["ctx_encoder_args"], "ctx_encoder_args", file),
    )


def named_base(path: Path) -> str:
    """Return the hub id or folder of the base that a checkpoint was trained for.

    Raises:
        HypernetworkError: if the file is missing, damaged or malicious.
    """
    return str(_read_entries(path)[1]["base_model_name_or_path"])


def read_chunk_tokens(file: Path, max_tokens: int) -> int:
    """Read the longest chunk in training, in tokens, from `args.yaml`; the published value if there is no such file.

    Args:
        file: the checkpoint's `pytorch_model.bin`.
        max_tokens: upper limit of the result, which is also the result if the run had no limit.

    Raises:
        HypernetworkError: if `args.yaml` is damaged.
    """
    for folder in (file.parent, file.parent.parent):
        path = folder / ARGUMENTS_NAME
        if not path.is_file():
            continue
        try:
            arguments = parse_yaml(path.read_text(encoding="utf-8"), _ArgumentsLoader)
            length = int(arguments["max_ctx_chunk_len"])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise HypernetworkError(
                f"{path} is damaged or of another program ({type(error).__name__}); download it again or move it away"
            ) from error
        return min(length, max_tokens) if length > 0 else max_tokens
    return min(PUBLISHED_CHUNK_TOKENS, max_tokens)


def _read_entries(path: Path) -> tuple[Path, dict[str, Any]]:
    """The weights file and its entries."""
    file = find_d2l_weights(path)
    if file is None:
        raise HypernetworkError(
            f"{path} is not a Doc-to-LoRA checkpoint: it has no {WEIGHTS_NAME}; give another folder"
        )
    stored = load_torch_file(file, _PICKLED_CLASSES)
    required = ("base_model_name_or_path", "hypernet_config", "ctx_encoder_args")
    missing = [name for name in required if not isinstance(stored, dict) or name not in stored]
    if missing:
        raise HypernetworkError(f"{file} is not a Doc-to-LoRA checkpoint: it has no {missing[0]}; give another file")
    return file, stored


class _ArgumentsLoader(yaml.SafeLoader):
    """Reads plain values; enumerations, which are stored as Python objects, become None."""


_ArgumentsLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
