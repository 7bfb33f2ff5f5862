"""The files of a Text-to-LoRA checkpoint: `hypermod.pt`, `args.yaml` and `adapter_config.json` in one folder.

Source: github.com/SakanaAI/text-to-lora.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from torch import Tensor

from lorify.errors import HypernetworkError, first_line
from lorify.hypernets.importing.safe_torch_load import load_torch_file
from lorify.json_text import parse_json
from lorify.yaml_text import parse_yaml

WEIGHTS_NAME = "hypermod.pt"
ARGUMENTS_NAME = "args.yaml"
ADAPTER_CONFIG_NAME = "adapter_config.json"


@dataclass(frozen=True)
class TextToLoraCheckpoint:
    """Content of the three files.

    Attributes:
        folder: the folder.
        weights: state dict of the hypernetwork, under the authors' names.
        arguments: settings of the training run.
        adapter_config: PEFT's config of the generated adapters; `r`, `lora_alpha` and `target_modules` are present.
    """

    folder: Path
    weights: dict[str, Tensor]
    arguments: dict[str, Any]
    adapter_config: dict[str, Any]


def read_checkpoint(folder: Path) -> TextToLoraCheckpoint:
    """Read a checkpoint without executing any pickled code.

    Raises:
        HypernetworkError: if a file is missing or damaged, or the checkpoint has a kind that cannot be imported.
    """
    return TextToLoraCheckpoint(
        folder=folder,
        weights=_read_weights(folder / WEIGHTS_NAME),
        arguments=_read_arguments(folder / ARGUMENTS_NAME),
        adapter_config=_read_adapter_config(folder / ADAPTER_CONFIG_NAME),
    )


def named_base(folder: Path) -> str | None:
    """Return the base that a checkpoint names, or None.

    Raises:
        HypernetworkError: if `adapter_config.json` is missing or damaged, or is not that of a plain LoRA.
    """
    return _read_adapter_config(folder / ADAPTER_CONFIG_NAME).get("base_model_name_or_path")


def _read_weights(path: Path) -> dict[str, Tensor]:
    _check_exists(path)
    weights = load_torch_file(path)
    if not isinstance(weights, dict) or "task_encoder.mlp.0.weight" not in weights:
        raise HypernetworkError(f"{path} is not a Text-to-LoRA hypernetwork: it has no task encoder; give another file")
    return {str(name): cast(Tensor, tensor) for name, tensor in weights.items()}


def _read_arguments(path: Path) -> dict[str, Any]:
    _check_exists(path)
    try:
        arguments = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise HypernetworkError(f"{path} is damaged ({first_line(error)}); download it again") from error
    if not isinstance(arguments, dict) or arguments.get("exp_setup", "hyper_lora") != "hyper_lora":
        raise HypernetworkError(
            f"{path} does not describe a run with exp_setup hyper_lora; only such runs can be imported"
        )
    if arguments.get("training_task", "sft") not in ("sft", "recon"):
        raise HypernetworkError(f"{path}: training_task is {arguments['training_task']!r}, expected sft or recon")
    return arguments


def _read_adapter_config(path: Path) -> dict[str, Any]:
    _check_exists(path)
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
        missing = [key for key in ("r", "lora_alpha", "target_modules") if config.get(key) is None]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise HypernetworkError(f"{path} is damaged ({error}); download it again") from error
    if missing or not isinstance(config["target_modules"], list):
        raise HypernetworkError(f"{path} lacks {missing[0] if missing else 'a list of target_modules'}; give another")
    odd = [key for key in ("use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform") if config.get(key)]
    if config.get("peft_type", "LORA") != "LORA" or odd:
        raise HypernetworkError(
            f"{path} asks for {odd[0] if odd else config['peft_type']}; only plain LoRA can be imported"
        )
    return config


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise HypernetworkError(
            f"{path.parent} is not a Text-to-LoRA checkpoint: {path.name} is missing; expected {WEIGHTS_NAME}, "
            f"{ARGUMENTS_NAME} and {ADAPTER_CONFIG_NAME}"
        )
