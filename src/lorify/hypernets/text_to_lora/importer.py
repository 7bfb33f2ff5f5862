"""Checkpoints of Text-to-LoRA's authors: `hypermod.pt`, `args.yaml` and `adapter_config.json` in one folder.

The weights are read without executing anything that is pickled (`weights_only=True`). Where the folder's files leave
something open, the state dict decides, since it is what was trained:

- which task encoder there is: the reference implementation writes `encoder_type` down but does not always use it;
- whether heads have biases;
- the order of the modules, which is that of the heads: `adapter_config.json` holds a set, written in any order.

`use_rslora` means the same in training there, in PEFT and here: the update is scaled by `lora_alpha / sqrt(r)`.

Source: github.com/SakanaAI/text-to-lora.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.descriptions import BASE_EMBEDDER
from lorify.errors import HypernetworkError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.importing.safe_torch_load import load_torch_file
from lorify.hypernets.text_to_lora.config import ONE_HOT_EMBEDDER, RankPositions, TaskConfig, TaskEncoderKind
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork

WEIGHTS_NAME = "hypermod.pt"
ARGUMENTS_NAME = "args.yaml"
ADAPTER_CONFIG_NAME = "adapter_config.json"
DEVIATION_FLOOR = 1e-10

# Theirs -> ours, by the beginning of the name.
_PREFIXES = {
    "task_encoder.mlp.": "task_encoder.net.",
    "task_encoder.ln.": "task_encoder.norm.",
    "task_encoder.cluster_size": "task_encoder.counts",
    "layer_depth_encoder.": "places.layer.",
    "layer_type_encoder.": "places.module.",
    "mixer.": "mixer.",
    "mlp1.mlp.": "block1.net.",
    "mlp2.mlp.": "block2.net.",
    "mlp3.": "neck.",
    "out_emb_norm.": "part_norm.",
    "pos_emb.": "rank_embedding.",
    "heads.": "heads.",
    "AB_offset.": "output_range.offset.",
    "mean_recon_target.": "output_range.mean.",
    "std_recon_target.": "output_range.deviation.",
}


def import_t2l(folder: Path, base: BaseLM) -> tuple[TaskConfig, TaskHypernetwork]:
    """Read a checkpoint of the reference implementation.

    Args:
        folder: a folder with `hypermod.pt`, `args.yaml` and `adapter_config.json`.
        base: the base it was trained for. The checkpoint has no digest of it, only its sizes are compared.

    Returns:
        Config and hypernetwork, in float32 and in evaluation mode. Its `embedder_name` is the hub id that the
        checkpoint names, `base` for the base's own last token, or `one-hot task number` where it has no encoder.

    Raises:
        HypernetworkError: if a file is missing or damaged, the checkpoint is of a kind that is not known, or its
            tensors do not fit the base.
    """
    weights, arguments = _read_weights(folder / WEIGHTS_NAME), _read_arguments(folder / ARGUMENTS_NAME)
    config = _config(folder, weights, arguments, _read_adapter_config(folder / ADAPTER_CONFIG_NAME), base)
    hypernetwork = build_task_hypernetwork(config)
    translated = _translated(weights, config)
    wanted = {name: tuple(tensor.shape) for name, tensor in hypernetwork.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in translated.items()}
    if wanted != found:
        name = min(set(wanted.items()) ^ set(found.items()))[0]
        raise HypernetworkError(
            f"checkpoint {folder} does not fit base {base.name} or its own settings: {name} is "
            f"{found.get(name, 'missing')}, expected {wanted.get(name, 'nothing')}; load the base it was trained for"
        )
    hypernetwork.load_state_dict(translated)
    return config, hypernetwork.eval()


def named_base(folder: Path) -> str | None:
    """The base that a checkpoint names, if it does."""
    return _read_adapter_config(folder / ADAPTER_CONFIG_NAME).get("base_model_name_or_path")


def _config(
    folder: Path,
    weights: Mapping[str, Tensor],
    arguments: Mapping[str, Any],
    adapter_config: Mapping[str, Any],
    base: BaseLM,
) -> TaskConfig:
    names = list(dict.fromkeys(name.split(".")[1] for name in weights if name.startswith("heads.")))
    if set(names) != set(adapter_config["target_modules"]):
        raise HypernetworkError(
            f"checkpoint {folder}: heads are for {', '.join(names) or 'nothing'}, but {ADAPTER_CONFIG_NAME} says "
            f"{', '.join(adapter_config['target_modules'])}; give the files of one training run"
        )
    layers = tuple(range(base.num_layers))
    reconstructs = arguments.get("training_task", "sft") == "recon"
    factorized = bool(arguments.get("factorized", False))
    # Trained on B @ A, the heads' z-scores were never used, whatever `pred_z_score` says.
    standardized = reconstructs and factorized and bool(arguments.get("pred_z_score"))
    delta_scale = 1 / math.sqrt(arguments.get("delta_w_scaling", 10_000)) if reconstructs and not factorized else 1.0
    has_offset = any(tensor.any() for name, tensor in weights.items() if name.startswith("AB_offset."))
    positions: RankPositions = "all_at_once"
    if arguments.get("autoreg_gen"):
        positions = "learned" if arguments.get("learnable_pos_emb") else "rotary"
    task_encoder, num_codes = _task_encoder(weights)
    embedder = arguments.get("emb_model") or BASE_EMBEDDER
    try:
        return TaskConfig(
            base_name=base.name,
            base_digest=base.digest,
            embedder_name=ONE_HOT_EMBEDDER if arguments.get("use_one_hot_task_emb") else embedder,
            embedder_digest=None,
            embedding_size=weights["task_encoder.mlp.0.weight"].shape[1],
            layers=layers,
            modules=adapted_modules(base, layers, names),
            rank=adapter_config["r"],
            lora_alpha=adapter_config["lora_alpha"],
            use_rslora=bool(adapter_config.get("use_rslora", False)),
            task_encoder=task_encoder,
            num_codes=num_codes,
            latent_size=arguments.get("hypernet_latent_size", 128),
            head_input_size=arguments.get("head_in_size", 512),
            head_bias=f"heads.{names[0]}.bias" in weights,
            hyper_init=False,
            shared_head=bool(arguments.get("shared_AB_head", False)),
            rank_positions=positions,
            output_scale=delta_scale,
            standardized=standardized,
            offset="fixed" if has_offset and delta_scale == 1 else "none",
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise HypernetworkError(
            f"checkpoint {folder}: {'.'.join(map(str, first['loc'])) or 'its settings'}: {first['msg']}; "
            "give a folder that the reference implementation wrote"
        ) from error


def _task_encoder(weights: Mapping[str, Tensor]) -> tuple[TaskEncoderKind, int]:
    """Kind of the task encoder and its number of codes, as the tensors tell."""
    if "task_encoder.cluster_size" in weights:
        return "vq", len(weights["task_encoder.cluster_size"])
    if "task_encoder.embed" in weights:
        return "softmax", len(weights["task_encoder.embed"])
    if "task_encoder.mlp.3.weight" in weights:
        return "one_hot", len(weights["task_encoder.mlp.3.weight"])
    return "linear", 2  # linear has no codes


def _translated(weights: Mapping[str, Tensor], config: TaskConfig) -> dict[str, Tensor]:
    """Their state dict under our names; tables that this checkpoint does not use are left out."""
    tables = {"AB_offset.": config.offset != "none"}
    tables |= dict.fromkeys(("mean_recon_target.", "std_recon_target."), config.standardized)
    translated: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if any(name.startswith(prefix) and not used for prefix, used in tables.items()):
            continue
        tensor = tensor.float()
        if name.startswith("std_recon_target."):
            tensor = tensor + DEVIATION_FLOOR
        if name in ("task_encoder.embed", "task_encoder.embed_avg"):
            ours = "task_encoder.codebook" if name.endswith("embed") else "task_encoder.sums"
            # Theirs has one code a column where it is quantized, one a row where it is mixed.
            translated[ours] = tensor.T.contiguous() if config.task_encoder == "vq" else tensor
        elif name.startswith("out_emb."):
            module, part = name.split(".")[1:]
            pair = translated.setdefault(f"part_embeddings.{module}", tensor.new_zeros(2, len(tensor)))
            pair["AB".index(part)] = tensor
        else:
            prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
            translated[_PREFIXES[prefix] + name.removeprefix(prefix) if prefix else name] = tensor
    return translated


def _read_weights(path: Path) -> dict[str, Tensor]:
    _check_file(path)
    weights = load_torch_file(path)
    if not isinstance(weights, dict) or "task_encoder.mlp.0.weight" not in weights:
        raise HypernetworkError(f"{path} is no Text-to-LoRA hypernetwork: it has no task encoder; give another file")
    return {str(name): cast(Tensor, tensor) for name, tensor in weights.items()}


def _read_arguments(path: Path) -> dict[str, Any]:
    _check_file(path)
    try:
        arguments = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise HypernetworkError(f"{path} is damaged ({str(error).splitlines()[0]}); download it again") from error
    if not isinstance(arguments, dict) or arguments.get("exp_setup", "hyper_lora") != "hyper_lora":
        raise HypernetworkError(f"{path} is not of a run with exp_setup hyper_lora, the only one that can be imported")
    if arguments.get("training_task", "sft") not in ("sft", "recon"):
        raise HypernetworkError(f"{path}: training_task is {arguments['training_task']!r}, expected sft or recon")
    return arguments


def _read_adapter_config(path: Path) -> dict[str, Any]:
    _check_file(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("r", "lora_alpha", "target_modules") if config.get(key) is None]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, AttributeError) as error:
        raise HypernetworkError(f"{path} is damaged ({error}); download it again") from error
    if missing or not isinstance(config["target_modules"], list):
        raise HypernetworkError(f"{path} lacks {missing[0] if missing else 'a list of target_modules'}; give another")
    odd = [key for key in ("use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform") if config.get(key)]
    if config.get("peft_type", "LORA") != "LORA" or odd:
        raise HypernetworkError(
            f"{path} asks for {odd[0] if odd else config['peft_type']}; only plain LoRA is imported"
        )
    return config


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise HypernetworkError(
            f"{path.parent} is no Text-to-LoRA checkpoint: {path.name} is missing; expected {WEIGHTS_NAME}, "
            f"{ARGUMENTS_NAME} and {ADAPTER_CONFIG_NAME}"
        )
