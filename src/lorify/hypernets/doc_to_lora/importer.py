"""Checkpoints of Doc-to-LoRA's authors: `pytorch_model.bin`, and the run's `args.yaml` beside it or one folder above.

The file holds the state dict and three more entries, two of them pickled settings; it is read by a restricted
unpickler (`lorify.hypernets.importing.safe_torch_load`). What differs there and means the same here:

- their update is scaled by `lora_alpha` itself, not by `lora_alpha / r`: it is our `scaling`;
- `B` is stored transposed, one row for each rank, in what is generated as in the bias adapter;
- a state dict of a compiled hypernetwork has a prefix before every name;
- blocks that share their weights are there once for each use;
- settings that were added later are missing in earlier releases, and mean their defaults then.

The three releases differ in their base, and so in what stands around a context: for these bases the token ids are
known, for others they are taken from the chat template of the context encoder.

Source: github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from pydantic import ValidationError
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.encoder_loading import AboutEncoder, read_about_encoder
from lorify.contexts.encoders import context_affixes
from lorify.errors import HypernetworkError, LorifyError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.doc_to_lora.network import ContextEncoderConfig, PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.importing.safe_torch_load import load_torch_file, settings

WEIGHTS_NAME = "pytorch_model.bin"
ARGUMENTS_NAME = "args.yaml"
PUBLISHED_CHUNK_TOKENS = 512
"""Longest chunk of the published multi-chunk training, for checkpoints without their `args.yaml`."""

_SETTINGS = (
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
_EARLIER_RESIDUAL_MLPS = 4

# Theirs -> ours, for what is inside one layer of the Perceiver.
_LAYER_PARTS = {
    "input_latents_layernorm": "norm_latents",
    "input_context_layernorm": "norm_source",
    "self_attn": "attention",
    "post_attention_layernorm": "norm_attended",
    "pre_ff_layernorm": "norm_before_mlp",
    "mlp": "mlp",
    "post_ff_layernorm": "norm_after_mlp",
}
# Position in their residual MLP -> ours: with weights for each block, and with one set for all.
_MLP_PARTS = {
    "layers": {"0": "norm_in.", "1": "_in", "3": "_out", "4": "norm_out."},
    "mlp": {"0": "norm_in.", "2": "_in", "5": "_out", "6": "norm_out."},
}


@dataclass(frozen=True)
class _Release:
    """A published base: its kind, and token ids that stood around each chunk in training."""

    architecture: str
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]


_RELEASES = {
    # <bos><start_of_turn>user\n\n\n ... <end_of_turn>\n<start_of_turn>model\n
    "google/gemma-2-2b-it": _Release("Gemma2ForCausalLM", (2, 106, 1645, 110), (107, 108, 106, 2516, 108)),
    # <s> [INST] \n\n ... [/INST]
    "mistralai/Mistral-7B-Instruct-v0.2": _Release(
        "MistralForCausalLM", (1, 733, 16289, 28793, 28705, 13, 13), (733, 28748, 16289, 28793)
    ),
    # <|im_start|>system\n<|im_end|>\n<|im_start|>user\n ... <|im_end|>\n<|im_start|>assistant\n
    "Qwen/Qwen3-4B-Instruct-2507": _Release(
        "Qwen3ForCausalLM", (151644, 8948, 198, 151645, 198, 151644, 872, 198), (151645, 198, 151644, 77091, 198)
    ),
}


def find_d2l_weights(path: Path) -> Path | None:
    """The `pytorch_model.bin` at a path: the file, its folder, or the run's folder with `checkpoint-STEP` in it.

    None if there is none; of several checkpoints the last.
    """
    if path.is_file():
        return path
    if (path / WEIGHTS_NAME).is_file():
        return path / WEIGHTS_NAME
    steps = [(int(match[1]), file) for file in path.glob(f"checkpoint-*/{WEIGHTS_NAME}")
             if (match := re.fullmatch(r"checkpoint-(\d+)", file.parent.name))]  # fmt: skip
    return max(steps)[1] if steps else None


def import_d2l(path: Path, base: BaseLM) -> tuple[PerceiverConfig, PerceiverHypernetwork]:
    """Read a checkpoint of the reference implementation.

    Args:
        path: `pytorch_model.bin`, its folder, or the folder of the run.
        base: the base it was trained for. The checkpoint has no digest of it: all sizes are compared, and its kind
            where the name in the checkpoint tells it (see `named_architecture`).

    Returns:
        Config and hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if the file is missing, damaged or malicious, the checkpoint is of a kind that is not
            known, or it does not fit the base.
        BaseModelError: if it reads another context encoder, whose files cannot be found, fetched or read.
    """
    file, stored = _read(path)
    weights = {
        str(name).removeprefix(_COMPILED_PREFIX): tensor.float()
        for name, tensor in stored.items()
        if isinstance(tensor, Tensor)
    }
    try:
        config = _config(file, stored, weights, base)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, LorifyError):
            raise
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise HypernetworkError(
            f"{file}: its settings are not those of a Doc-to-LoRA hypernetwork ({problem}); give a checkpoint that the "
            "reference implementation wrote"
        ) from error
    with torch.device("meta"):
        hypernetwork = PerceiverHypernetwork(config)
    translated = _translated(file, weights, config)
    shapes = {name: tuple(tensor.shape) for name, tensor in hypernetwork.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in translated.items()}
    if shapes != found:
        name = min(set(shapes.items()) ^ set(found.items()))[0]
        raise HypernetworkError(
            f"{file} does not fit its own settings: {name} is {found.get(name, 'missing')}, expected "
            f"{shapes.get(name, 'nothing')}; give a checkpoint that the reference implementation wrote"
        )
    hypernetwork.load_state_dict(translated, assign=True)
    return config, hypernetwork.eval()


def named_base(path: Path) -> str:
    """Hub id or folder of the base that a checkpoint was trained for.

    Raises:
        HypernetworkError: see `import_d2l`.
    """
    return str(_read(path)[1]["base_model_name_or_path"])


def named_architecture(name: str) -> str | None:
    """Kind of the base of a name, without fetching anything: of a published one, a folder or what the hub's cache has.

    Nothing in a checkpoint but this name tells the kind of its base.
    """
    if name in _RELEASES:
        return _RELEASES[name].architecture
    try:
        found = Path(name) / "config.json" if Path(name).is_dir() else try_to_load_from_cache(name, "config.json")
        config = json.loads(Path(found).read_text(encoding="utf-8")) if isinstance(found, str | Path) else {}
    except (HFValidationError, OSError, ValueError):  # no hub id, or a damaged file
        return None
    return next(iter(config.get("architectures") or ()), None)


def _read(path: Path) -> tuple[Path, dict[str, Any]]:
    """The weights file and what is in it."""
    file = find_d2l_weights(path)
    if file is None:
        raise HypernetworkError(f"{path} is no Doc-to-LoRA checkpoint: it holds no {WEIGHTS_NAME}; give another folder")
    stored = load_torch_file(file, _SETTINGS)
    wanted = ("base_model_name_or_path", "hypernet_config", "ctx_encoder_args")
    missing = [name for name in wanted if not isinstance(stored, dict) or name not in stored]
    if missing:
        raise HypernetworkError(f"{file} is no Doc-to-LoRA checkpoint: it has no {missing[0]}; give another file")
    return file, stored


def _config(file: Path, stored: Mapping[str, Any], weights: Mapping[str, Tensor], base: BaseLM) -> PerceiverConfig:
    """Their settings as our config, where they are of the only kind that their code can run."""
    of_hypernetwork = settings(stored["hypernet_config"], "hypernet_config", file)
    of_lora = settings(of_hypernetwork["lora_config"], "lora_config", file)
    of_perceiver = settings(of_hypernetwork["aggregator_config"], "aggregator_config", file)
    of_encoder = settings(stored["ctx_encoder_args"], "ctx_encoder_args", file)
    _check_kind(file, of_hypernetwork, of_perceiver)
    trained_on = str(stored["base_model_name_or_path"])
    num_layers = int(of_perceiver["num_layers"])
    _check_base(file, trained_on, num_layers, of_hypernetwork, base)
    modules = adapted_modules(base, range(num_layers), sorted(of_lora["target_modules"]))
    inputs, outputs = of_hypernetwork["feature_sizes"]
    for module in modules:
        theirs = (inputs[module.name], outputs[module.name])
        if theirs != (module.in_features, module.out_features):
            raise HypernetworkError(
                f"{file} was trained for a {module.name} of {theirs[0]} to {theirs[1]} features, but that of base "
                f"{base.name} has {module.in_features} to {module.out_features}; load base {trained_on}"
            )
    encoder_name = of_encoder["ctx_encoder_model_name_or_path"]
    about = read_about_encoder(base, None if encoder_name in (None, trained_on) else encoder_name)
    encoder = _encoder(of_encoder, of_perceiver, trained_on, num_layers, about)
    attention = "aggregator.perceiver.decoder.layers.0.self_attn"
    head_size = PerceiverConfig.model_fields["head_size"].default
    residual_mlps = of_hypernetwork.get("num_pre_head_layers")
    use_bias = of_hypernetwork.get("use_bias")
    return PerceiverConfig(
        base_name=base.name,
        base_digest=base.digest,
        encoder=encoder,
        num_layers=num_layers,
        modules=modules,
        rank=int(of_lora["r"]),
        scaling=float(of_lora["lora_alpha"]),
        latent_size=int(of_hypernetwork["latent_size"]),
        num_latents=int(of_perceiver["n_latent_queries"]),
        num_blocks=int(of_perceiver["num_blocks"]),
        self_attentions=int(of_perceiver["num_self_attn_per_block"]),
        shared_weights=bool(of_perceiver["shared_weights"]),
        num_heads=len(weights[f"{attention}.q_proj.weight"]) // head_size,
        num_kv_heads=len(weights[f"{attention}.k_proj.weight"]) // head_size,
        head_size=head_size,
        residual_mlps=_EARLIER_RESIDUAL_MLPS if residual_mlps is None else int(residual_mlps),
        mlp_per_layer=bool(of_hypernetwork["per_layer_processing"]),
        bias_adapter=True if use_bias is None else bool(use_bias),
        system_turn=True,
        chunk_tokens=_chunk_tokens(file, about.window_tokens - len(encoder.prefix_ids) - len(encoder.suffix_ids)),
    )


def _check_kind(file: Path, of_hypernetwork: Mapping[str, Any], of_perceiver: Mapping[str, Any]) -> None:
    odd = {
        "aggregator_type": of_perceiver["aggregator_type"] not in ("perceiver", "AGGREGATOR_TYPE.DOC_TO_LORA"),
        "per_rank_gen": not of_hypernetwork["per_rank_gen"],
        "extra_modules": bool(of_hypernetwork.get("extra_modules")),
    }
    for name, is_odd in odd.items():
        if is_odd:
            value = of_perceiver["aggregator_type"] if name == "aggregator_type" else of_hypernetwork.get(name)
            raise HypernetworkError(
                f"{file} has {name} {value!r}, which no released checkpoint has; only Perceivers with a vector for "
                "each rank are imported"
            )


def _check_base(file: Path, trained_on: str, num_layers: int, of_hypernetwork: Mapping[str, Any], base: BaseLM) -> None:
    architecture = type(base.model).__name__
    wanted = named_architecture(trained_on)
    theirs = (num_layers, of_hypernetwork["base_hidden_size"])
    if theirs != (base.num_layers, base.hidden_size) or wanted not in (None, architecture):
        raise HypernetworkError(
            f"{file} was trained for {trained_on} ({wanted or 'a model'} with {theirs[0]} blocks of width "
            f"{theirs[1]}), but base {base.name} is a {architecture} with {base.num_layers} of {base.hidden_size}; "
            f"load base {trained_on}"
        )


def _encoder(
    of_encoder: Mapping[str, Any], of_perceiver: Mapping[str, Any], trained_on: str, of_base: int, about: AboutEncoder
) -> ContextEncoderConfig:
    """Their context encoder; `embed_only` is called embeddings here."""
    name = of_encoder["ctx_encoder_model_name_or_path"]
    kind = str(of_encoder["ctx_encoder_type"])
    if kind == "early_exit":
        depth = of_encoder["layer_idx"]
        # A run that left it open has a quarter of the encoder's blocks here; a checkpoint without it runs all of them.
        num_layers = about.num_layers if depth is None else int(depth)
    elif kind == "per_layer_activations":
        depth = of_encoder.get("ctx_encoder_last_layer")
        num_layers = of_base if depth is None else int(depth)  # each block of the base has its features
    else:
        kind, num_layers = ("embeddings" if kind == "embed_only" else kind), 0
    release = _RELEASES.get(name or trained_on)
    prefix, suffix = (
        (release.prefix_ids, release.suffix_ids) if release else context_affixes(about.tokenizer, system_turn=True)
    )
    return ContextEncoderConfig(
        kind=kind,  # pyright: ignore[reportArgumentType]  (pydantic refuses any other)
        model_name=None if name in (None, trained_on) else name,
        num_layers=num_layers,
        feature_size=int(of_perceiver["feature_size"]),
        quantized=bool(of_encoder.get("quantize_ctx_encoder")),
        prefix_ids=prefix,
        suffix_ids=suffix,
    )


class _ArgumentsLoader(yaml.SafeLoader):
    """Reads plain values; a run's settings also hold enumerations as Python objects, which come as None."""


_ArgumentsLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def _chunk_tokens(file: Path, room: int) -> int:
    """Longest chunk in training: what the run's settings say, all the room there is if they say so, or as published."""
    for folder in (file.parent, file.parent.parent):
        path = folder / ARGUMENTS_NAME
        if not path.is_file():
            continue
        try:
            arguments = yaml.load(path.read_text(encoding="utf-8"), Loader=_ArgumentsLoader)
            length = int(arguments["max_ctx_chunk_len"])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise HypernetworkError(
                f"{path} is damaged or of another program ({type(error).__name__}); download it again or move it away"
            ) from error
        return min(length, room) if length > 0 else room
    return min(PUBLISHED_CHUNK_TOKENS, room)


def _translated(file: Path, weights: Mapping[str, Tensor], config: PerceiverConfig) -> dict[str, Tensor]:
    """Their state dict under our names and in our shapes."""
    translated: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        ours, shaped = _translate(name, tensor, config)
        if ours in translated and not torch.equal(translated[ours], shaped):
            raise HypernetworkError(f"{file}: {name} should share its weights with another block, but they differ")
        translated[ours] = shaped
    for part in "AB":
        scales = [translated.pop(f"scale_{part}.{m.name}", None) for m in config.modules]
        known = [scale for scale in scales if scale is not None]
        if len(known) < len(scales):
            raise HypernetworkError(f"{file} lacks a scaler_{part} for one of its modules; download it again")
        translated[f"scale_{part}"] = torch.cat(known)  # [M, L, r, 1]
    if not config.bias_adapter:  # it is in the state dict all the same
        translated = {name: tensor for name, tensor in translated.items() if not name.startswith("bias_")}
    return translated


def _translate(name: str, tensor: Tensor, config: PerceiverConfig) -> tuple[str, Tensor]:
    """Our name for one of their tensors, and the tensor in our shape; unknown names are left for the caller."""
    L = config.num_layers
    match name.split("."):
        case ["aggregator", "perceiver", "modality_projection", *rest]:
            return ".".join(["perceiver.projection", *rest]), tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "latents_q"]:
            return f"perceiver.{half}.latents", tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "layernorm", *rest]:
            return ".".join(["perceiver", half, "norm", *rest]), tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "layers", number, part, *rest] if (
            part in _LAYER_PARTS and number.isdecimal()
        ):
            place = _place(int(number), config) if half == "encoder" else f"cross.{number}"
            return ".".join(["perceiver", half, place, _LAYER_PARTS[part], *rest]), tensor
        case ["layers", block, "layers" | "mlp" as kind, position, part] if position in _MLP_PARTS[kind]:
            ours = _MLP_PARTS[kind][position]
            if ours.endswith("."):
                return f"mlps.{block}.{ours}{part}", tensor
            if kind == "mlp":  # a plain linear layer, output first
                tensor = tensor.T[None] if part == "weight" else tensor[None]
            elif part == "bias":
                tensor = tensor.reshape(L, -1)
            return f"mlps.{block}.{part}{ours}", tensor.contiguous()
        case ["scaler_A" | "scaler_B" as kind, module]:
            return f"scale_{kind[-1]}.{module}", tensor
        case ["head", "weight"]:
            return "head", tensor.reshape(L, len(config.modules), *tensor.shape[-2:])
        case _:
            return name, tensor


def _place(number: int, config: PerceiverConfig) -> str:
    """Where layer `number` of their sequence stands here: which cross-attention, or which attention within."""
    block, position = divmod(number, 1 + config.self_attentions)
    if position == 0:
        return f"cross.{min(block, 1) if config.shared_weights else block}"
    return f"within.{(0 if config.shared_weights else block) * config.self_attentions + position - 1}"
