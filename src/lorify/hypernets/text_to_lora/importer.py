"""Import the checkpoints of Text-to-LoRA's authors.

What the settings leave open is read from the state dict:

- which task encoder there is: the reference implementation records `encoder_type`, but does not always use it;
- whether heads have biases;
- the order of the modules, which is that of the heads: `adapter_config.json` holds a set, written in any order.

`use_rslora` means the same there, in PEFT and here: the update is scaled by `lora_alpha / sqrt(r)`.

Source: github.com/SakanaAI/text-to-lora.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.base.weight_shapes import find_mismatch
from lorify.contexts.descriptions.encoder_files import BASE_EMBEDDER
from lorify.contexts.descriptions.task_names import ONE_HOT_EMBEDDER
from lorify.errors import HypernetworkError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.text_to_lora.authors_files import ADAPTER_CONFIG_NAME, TextToLoraCheckpoint, read_checkpoint
from lorify.hypernets.text_to_lora.config import RankPositions, TaskConfig, TaskEncoderKind
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork

DEVIATION_FLOOR = 1e-10

# Theirs -> ours, by name prefix.
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
        base: the base it was trained for. The checkpoint has no digest of it; only sizes are compared.

    Returns:
        Config and hypernetwork, in float32 and in evaluation mode. `embedder_name` is the hub id that the checkpoint
        names, `base` for the base's own last token, or `one-hot task number` if there is no description encoder.

    Raises:
        HypernetworkError: if a file is missing or damaged, the checkpoint is of an unknown kind, or its tensors do not
            fit the base.
    """
    checkpoint = read_checkpoint(folder)
    config = _config(checkpoint, base)
    hypernetwork = build_task_hypernetwork(config)
    translated = _translated(checkpoint.weights, config)
    mismatch = find_mismatch(hypernetwork.state_dict(), translated)
    if mismatch is not None:
        raise HypernetworkError(
            f"checkpoint {folder} does not fit base {base.name} or its own settings: {mismatch}; load the base it was "
            "trained for"
        )
    hypernetwork.load_state_dict(translated)
    return config, hypernetwork.eval()


def _config(checkpoint: TextToLoraCheckpoint, base: BaseLM) -> TaskConfig:
    weights, arguments, adapter_config = checkpoint.weights, checkpoint.arguments, checkpoint.adapter_config
    names = _head_names(checkpoint)
    layers = tuple(range(base.num_layers))
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
            published_chat=True,
            shared_head=bool(arguments.get("shared_AB_head", False)),
            rank_positions=_rank_positions(arguments),
            **_output_range(weights, arguments),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise HypernetworkError(
            f"checkpoint {checkpoint.folder}: {'.'.join(map(str, first['loc'])) or 'its settings'}: {first['msg']}; "
            "give a folder that the reference implementation wrote"
        ) from error


def _head_names(checkpoint: TextToLoraCheckpoint) -> list[str]:
    """Modules that have a head, in the order of the heads."""
    names = list(dict.fromkeys(name.split(".")[1] for name in checkpoint.weights if name.startswith("heads.")))
    modules = checkpoint.adapter_config["target_modules"]
    if set(names) != set(modules):
        raise HypernetworkError(
            f"checkpoint {checkpoint.folder}: heads are for {', '.join(names) or 'nothing'}, but {ADAPTER_CONFIG_NAME} "
            f"lists {', '.join(modules)}; give the files of one training run"
        )
    return names


def _rank_positions(arguments: Mapping[str, Any]) -> RankPositions:
    if not arguments.get("autoreg_gen"):
        return "all_at_once"
    return "learned" if arguments.get("learnable_pos_emb") else "rotary"


def _output_range(weights: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `TaskConfig` that define the processing of the heads' output."""
    reconstructs = arguments.get("training_task", "sft") == "recon"
    factorized = bool(arguments.get("factorized", False))
    output_scale = 1 / math.sqrt(arguments.get("delta_w_scaling", 10_000)) if reconstructs and not factorized else 1.0
    has_offset = any(tensor.any() for name, tensor in weights.items() if name.startswith("AB_offset."))
    return {
        "output_scale": output_scale,
        # A hypernetwork trained on B @ A never used z-scores, whatever `pred_z_score` says.
        "standardized": reconstructs and factorized and bool(arguments.get("pred_z_score")),
        "offset": "fixed" if has_offset and output_scale == 1 else "none",
    }


def _task_encoder(weights: Mapping[str, Tensor]) -> tuple[TaskEncoderKind, int]:
    """Kind of the task encoder and its number of codes, inferred from the tensors."""
    if "task_encoder.cluster_size" in weights:
        return "vq", len(weights["task_encoder.cluster_size"])
    if "task_encoder.embed" in weights:
        return "softmax", len(weights["task_encoder.embed"])
    if "task_encoder.mlp.3.weight" in weights:
        return "one_hot", len(weights["task_encoder.mlp.3.weight"])
    return "linear", 2  # linear has no codes


def _translated(weights: Mapping[str, Tensor], config: TaskConfig) -> dict[str, Tensor]:
    """Their state dict under our names, without tables unused by this checkpoint."""
    is_used = {"AB_offset.": config.offset != "none"}
    is_used |= dict.fromkeys(("mean_recon_target.", "std_recon_target."), config.standardized)
    translated: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if any(name.startswith(prefix) and not used for prefix, used in is_used.items()):
            continue
        tensor = tensor.float()
        if name.startswith("std_recon_target."):
            tensor = tensor + DEVIATION_FLOOR
        if name in ("task_encoder.embed", "task_encoder.embed_avg"):
            ours = "task_encoder.codebook" if name.endswith("embed") else "task_encoder.sums"
            # Codes are the columns of their vq codebook, and the rows of their softmax codebook.
            translated[ours] = tensor.T.contiguous() if config.task_encoder == "vq" else tensor
        elif name.startswith("out_emb."):
            module, part = name.split(".")[1:]
            pair = translated.setdefault(f"part_embeddings.{module}", tensor.new_zeros(2, len(tensor)))
            pair["AB".index(part)] = tensor
        else:
            prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
            translated[_PREFIXES[prefix] + name.removeprefix(prefix) if prefix else name] = tensor
    return translated
