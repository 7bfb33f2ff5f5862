"""Import the checkpoints of Doc-to-LoRA's authors.

The reference implementation differs in form, but computes the same:

- it scales updates by `lora_alpha` itself, not by `lora_alpha / r`: that is our `scaling`;
- it stores `B` transposed, one row per rank, in generated weights and in the bias adapter;
- settings that were added later are missing in earlier releases, where their defaults apply.

The three releases have different bases, and therefore different tokens around a context. For these bases the token ids
are known (`lorify.hypernets.doc_to_lora.releases`); for others they come from the context encoder's chat template.

Source: github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError

from lorify.base.model import BaseLM
from lorify.base.weight_shapes import find_mismatch
from lorify.contexts.encoders.encoding import context_affixes
from lorify.contexts.encoders.loading import EncoderSpec, read_encoder_spec
from lorify.errors import HypernetworkError, LorifyError
from lorify.hypernets.adapted_modules import AdaptedModule, adapted_modules
from lorify.hypernets.doc_to_lora.authors_files import DocToLoraCheckpoint, read_checkpoint, read_chunk_tokens
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.releases import RELEASES, named_architecture
from lorify.hypernets.doc_to_lora.weight_names import translate_weights

_EARLIER_RESIDUAL_MLPS = 4
_FIRST_ATTENTION = "aggregator.perceiver.decoder.layers.0.self_attn"


def import_d2l(path: Path, base: BaseLM) -> tuple[PerceiverConfig, PerceiverHypernetwork]:
    """Read a checkpoint of the reference implementation.

    Args:
        path: `pytorch_model.bin`, its folder, or the folder of the run.
        base: the base it was trained for. The checkpoint has no digest of it, so all sizes are compared, and the
            architecture if it is known for the name in the checkpoint (see `named_architecture`).

    Returns:
        Config and hypernetwork, in float32 and in evaluation mode.

    Raises:
        HypernetworkError: if the file is missing, damaged or malicious, the checkpoint is of an unknown kind, or it
            does not fit the base.
        BaseModelError: if the checkpoint reads another context encoder, and its files cannot be found, fetched or read.
    """
    checkpoint, config = _read(path, base)
    with torch.device("meta"):
        hypernetwork = PerceiverHypernetwork(config)
    translated = translate_weights(checkpoint.weights, config, checkpoint.file)
    mismatch = find_mismatch(hypernetwork.state_dict(), translated)
    if mismatch is not None:
        raise HypernetworkError(
            f"{checkpoint.file} does not fit its own settings: {mismatch}; give a checkpoint that the reference "
            "implementation wrote"
        )
    hypernetwork.load_state_dict(translated, assign=True)
    return config, hypernetwork.eval()


def _read(path: Path, base: BaseLM) -> tuple[DocToLoraCheckpoint, PerceiverConfig]:
    try:
        checkpoint = read_checkpoint(path)
        return checkpoint, _config(checkpoint, base)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, LorifyError):
            raise
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise HypernetworkError(
            f"{path}: its settings are not those of a Doc-to-LoRA hypernetwork ({problem}); give a checkpoint that the "
            "reference implementation wrote"
        ) from error


def _config(checkpoint: DocToLoraCheckpoint, base: BaseLM) -> PerceiverConfig:
    """Convert their settings to our config."""
    hypernetwork, perceiver, weights = checkpoint.hypernetwork, checkpoint.perceiver, checkpoint.weights
    _check_kind(checkpoint)
    _check_base(checkpoint, base)
    modules = _modules(checkpoint, base)
    encoder_name = checkpoint.encoder["ctx_encoder_model_name_or_path"]
    about = read_encoder_spec(base, None if encoder_name in (None, checkpoint.base_name) else encoder_name)
    encoder = _encoder(checkpoint, about)
    head_size = PerceiverConfig.model_fields["head_size"].default
    residual_mlps, use_bias = hypernetwork.get("num_pre_head_layers"), hypernetwork.get("use_bias")
    max_chunk_tokens = about.window_tokens - len(encoder.prefix_ids) - len(encoder.suffix_ids)
    return PerceiverConfig(
        base_name=base.name,
        base_digest=base.digest,
        encoder=encoder,
        num_layers=int(perceiver["num_layers"]),
        modules=modules,
        rank=int(checkpoint.lora["r"]),
        scaling=float(checkpoint.lora["lora_alpha"]),
        latent_size=int(hypernetwork["latent_size"]),
        num_latents=int(perceiver["n_latent_queries"]),
        num_blocks=int(perceiver["num_blocks"]),
        self_attentions=int(perceiver["num_self_attn_per_block"]),
        shared_weights=bool(perceiver["shared_weights"]),
        num_heads=len(weights[f"{_FIRST_ATTENTION}.q_proj.weight"]) // head_size,
        num_kv_heads=len(weights[f"{_FIRST_ATTENTION}.k_proj.weight"]) // head_size,
        head_size=head_size,
        residual_mlps=_EARLIER_RESIDUAL_MLPS if residual_mlps is None else int(residual_mlps),
        mlp_per_layer=bool(hypernetwork["per_layer_processing"]),
        bias_adapter=True if use_bias is None else bool(use_bias),
        system_turn=True,
        chunk_tokens=read_chunk_tokens(checkpoint.file, max_chunk_tokens),
    )


def _check_kind(checkpoint: DocToLoraCheckpoint) -> None:
    """Refuse settings that no released checkpoint has and that their code cannot run either."""
    hypernetwork, perceiver = checkpoint.hypernetwork, checkpoint.perceiver
    odd = {
        "aggregator_type": perceiver["aggregator_type"] not in ("perceiver", "AGGREGATOR_TYPE.PERCEIVER"),
        "per_rank_gen": not hypernetwork["per_rank_gen"],
        "extra_modules": bool(hypernetwork.get("extra_modules")),
    }
    for name, is_odd in odd.items():
        if is_odd:
            value = perceiver["aggregator_type"] if name == "aggregator_type" else hypernetwork.get(name)
            raise HypernetworkError(
                f"{checkpoint.file} has {name} {value!r}, which no released checkpoint has; only Perceivers with a "
                "vector for each rank are imported"
            )


def _check_base(checkpoint: DocToLoraCheckpoint, base: BaseLM) -> None:
    architecture = type(base.model).__name__
    wanted = named_architecture(checkpoint.base_name)
    theirs = (int(checkpoint.perceiver["num_layers"]), checkpoint.hypernetwork["base_hidden_size"])
    if theirs != (base.num_layers, base.hidden_size) or wanted not in (None, architecture):
        raise HypernetworkError(
            f"{checkpoint.file} was trained for {checkpoint.base_name} ({wanted or 'a model'} with {theirs[0]} blocks "
            f"of width {theirs[1]}), but base {base.name} is a {architecture} with {base.num_layers} of "
            f"{base.hidden_size}; load base {checkpoint.base_name}"
        )


def _modules(checkpoint: DocToLoraCheckpoint, base: BaseLM) -> tuple[AdaptedModule, ...]:
    """The adapted linear layers, whose sizes must match the base."""
    layers = range(int(checkpoint.perceiver["num_layers"]))
    modules = adapted_modules(base, layers, sorted(checkpoint.lora["target_modules"]))
    inputs, outputs = checkpoint.hypernetwork["feature_sizes"]
    for module in modules:
        theirs = (inputs[module.name], outputs[module.name])
        if theirs != (module.in_features, module.out_features):
            raise HypernetworkError(
                f"{checkpoint.file} was trained for a {module.name} of {theirs[0]} to {theirs[1]} features, but that "
                f"of base {base.name} has {module.in_features} to {module.out_features}; load base "
                f"{checkpoint.base_name}"
            )
    return modules


def _encoder(checkpoint: DocToLoraCheckpoint, about: EncoderSpec) -> ContextEncoderConfig:
    """The config of their context encoder; their `embed_only` is called embeddings here."""
    theirs = checkpoint.encoder
    name = theirs["ctx_encoder_model_name_or_path"]
    kind = str(theirs["ctx_encoder_type"])
    if kind == "early_exit":
        depth = theirs["layer_idx"]
        # A run without this setting exits after a quarter of the blocks; a checkpoint without it ran all of them.
        num_layers = about.num_layers if depth is None else int(depth)
    elif kind == "per_layer_activations":
        depth = theirs.get("ctx_encoder_last_layer")
        # By default, each block of the base has features.
        num_layers = int(checkpoint.perceiver["num_layers"]) if depth is None else int(depth)
    else:
        kind, num_layers = ("embeddings" if kind == "embed_only" else kind), 0
    release = RELEASES.get(name or checkpoint.base_name)
    prefix, suffix = (
        (release.prefix_ids, release.suffix_ids) if release else context_affixes(about.tokenizer, system_turn=True)
    )
    return ContextEncoderConfig(
        kind=kind,  # pyright: ignore[reportArgumentType]  (pydantic refuses any other)
        model_name=None if name in (None, checkpoint.base_name) else name,
        num_layers=num_layers,
        feature_size=int(checkpoint.perceiver["feature_size"]),
        quantized=bool(theirs.get("quantize_ctx_encoder")),
        prefix_ids=prefix,
        suffix_ids=suffix,
    )
