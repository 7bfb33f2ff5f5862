"""The hypernetwork that a training run starts from: random weights or another hypernetwork's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.encoders.features import Features, encode_chunks
from lorify.errors import TrainingError
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, LinearShape, check_base
from lorify.hypernets.associative.training_config import AssociativeSettings, AssociativeTrainingConfig

NUM_SINK_TOKENS = 4
"""The first tokens are attention sinks, with activations hundreds of times larger than those of any other token."""

ATTENTION_FIELDS = ("attention_rank", "attention_layers", "attention_modules")
"""Config fields of the static LoRA on attention layers."""
OTHER_WEIGHTS = ("surroundings.", "reader.", "next_", "attention_")
"""Weights that do not have one entry for each adapted block."""


def hypernetwork_config(config: AssociativeTrainingConfig, base: BaseLM) -> AssociativeConfig:
    """Build the config of the hypernetwork that a run trains.

    Raises:
        BaseModelError: if the base has no such linear layers.
        TrainingError: if the adapted module does not write into the hidden states.
    """
    settings = config.hypernetwork
    last = min(settings.last_layer, base.num_layers - 1)
    linear = base.linear(last, settings.module)
    if linear.out_features != base.hidden_size:
        raise TrainingError(
            f"hypernetwork.module {settings.module!r} does not write into the hidden states of base {base.name}; "
            f"choose {' or '.join(base.writing_modules(last))}"
        )
    return AssociativeConfig(
        base_name=base.name,
        base_digest=base.digest,
        hidden_size=base.hidden_size,
        input_size=linear.in_features,
        layers=tuple(range(min(settings.first_layer, last), last + 1)),
        module=settings.module,
        rank=settings.rank,
        width=settings.width,
        bias_rank=settings.bias_rank,
        **_attention_fields(settings, base, last),
        chunk_tokens=settings.chunk_tokens,
    )  # pyright: ignore[reportCallIssue]


def _attention_fields(settings: AssociativeSettings, base: BaseLM, last: int) -> dict[str, Any]:
    """The config fields of the static LoRA on attention layers."""
    if not settings.attention_rank:
        return {}
    linears = {name: base.linear(last, name) for name in settings.attention_modules}
    shapes = [
        LinearShape(name=name, input_size=linear.in_features, output_size=linear.out_features)
        for name, linear in linears.items()
    ]
    layers = tuple(range(min(settings.attention_first_layer, last), last + 1))
    return {"attention_rank": settings.attention_rank, "attention_layers": layers, "attention_modules": tuple(shapes)}


def initialize_hypernetwork(
    config: AssociativeTrainingConfig, base: BaseLM
) -> tuple[AssociativeConfig, AssociativeHypernetwork]:
    """Build the hypernetwork that a run starts from: random weights or those of `init_from`.

    Raises:
        BaseModelError: if the base has no such linear layers.
        HypernetworkError: if `init_from` is damaged, or was made for another base.
        TrainingError: if the adapted module does not write into the hidden states, or `init_from` does not fit.
    """
    if config.init_from is None:
        new_config = hypernetwork_config(config, base)
        return new_config, AssociativeHypernetwork(new_config)
    old_config, old = ASSOCIATIVE.load(config.init_from)
    check_base(old_config, base, str(config.init_from))
    kept = {name: getattr(old_config, name) for name in ("reader_width", "reader_finds_ends")}
    if old_config.attention_rank:
        wanted = config.hypernetwork.attention_rank
        if wanted not in (0, old_config.attention_rank):
            raise TrainingError(
                f"init_from {config.init_from} has a LoRA of rank {old_config.attention_rank} on attention layers, the "
                f"config wants rank {wanted}; set hypernetwork.attention_rank to one of 0, which keeps it, and "
                f"{old_config.attention_rank}"
            )
        kept |= {name: getattr(old_config, name) for name in ATTENTION_FIELDS}
    new_config = hypernetwork_config(config, base).model_copy(update=kept)
    hypernetwork = AssociativeHypernetwork(new_config)
    if hypernetwork.reader is not None:
        hypernetwork.reader.requires_grad_(False)  # readers are trained in separate runs
    copy_matching_weights(hypernetwork, new_config, old, old_config, name=str(config.init_from))
    return new_config, hypernetwork


@torch.no_grad()
def copy_matching_weights(
    hypernetwork: AssociativeHypernetwork,
    config: AssociativeConfig,
    old: AssociativeHypernetwork,
    old_config: AssociativeConfig,
    *,
    name: str,
) -> None:
    """Copy the weights that two hypernetworks have in common; others stay unchanged.

    Args:
        hypernetwork: the new hypernetwork.
        config: its config; it may adapt fewer blocks than the old one.
        old: the trained hypernetwork.
        old_config: its config.
        name: name of the trained hypernetwork, for errors.

    Raises:
        TrainingError: if the new one adapts a block that the old one does not, or a weight has another size.
    """
    missing = [layer for layer in config.layers if layer not in old_config.layers]
    if missing:
        raise TrainingError(
            f"init_from {name} does not adapt block {missing[0]}; set hypernetwork.first_layer and last_layer within "
            f"{old_config.layers[0]} to {old_config.layers[-1]}"
        )
    kept = [old_config.layers.index(layer) for layer in config.layers]
    weights = old.state_dict()
    for key, target in hypernetwork.state_dict().items():
        if key not in weights:
            continue
        source = weights[key]
        source = source if key.startswith(OTHER_WEIGHTS) else source[kept]
        if source.shape != target.shape:
            raise TrainingError(
                f"init_from {name} has {key} {tuple(source.shape)}, the config wants {tuple(target.shape)}; set "
                "hypernetwork as in its config.json"
            )
        target.copy_(source)


@torch.no_grad()
def fit_to_activations(
    hypernetwork: AssociativeHypernetwork, config: AssociativeConfig, base: BaseLM, chunks: Sequence[Sequence[int]]
) -> None:
    """Fit the buffers of a new hypernetwork, and the bias of its keys, to the base's activations.

    Args:
        hypernetwork: the hypernetwork.
        config: its config.
        base: the base.
        chunks: token ids of chunks of typical text.
    """
    input_rms, output_rms = _measure_module(config, base, chunks)
    hypernetwork.input_rms.copy_(input_rms)
    hypernetwork.output_rms.copy_(output_rms)
    _standardize(hypernetwork, encode_chunks(base, chunks, layers=config.layers, module=config.module))


def _measure_module(config: AssociativeConfig, base: BaseLM, chunks: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Root mean square of the input and output of each adapted module `[L]`."""
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def record(_module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        inputs.append(args[0][:, NUM_SINK_TOKENS:].float().pow(2).mean().sqrt())
        outputs.append(output[:, NUM_SINK_TOKENS:].float().pow(2).mean().sqrt())

    handles = [base.linear(layer, config.module).register_forward_hook(record) for layer in config.layers]
    text = [token for chunk in chunks for token in chunk][: base.window_tokens]
    base.decoder(torch.tensor([text], device=base.device), use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(inputs), torch.stack(outputs)


def _standardize(hypernetwork: AssociativeHypernetwork, features: Features) -> None:
    """Fit means and scales of states and output embeddings, the bias of the keys, and the scale of the values."""
    assert features.inputs is not None
    mask = features.mask.clone()
    mask[:, 0] = False  # the state of the first token is an outlier
    states = F.layer_norm(features.states.float(), features.states.shape[-1:])[:, mask]  # [L, tokens, d]
    next_outputs = features.next_outputs.float()[mask].unsqueeze(0)
    hypernetwork.state_mean.copy_(states.mean(1, keepdim=True))
    hypernetwork.state_scale.copy_(1 / states.std(1, keepdim=True).clamp_min(1e-3))
    hypernetwork.next_mean.copy_(next_outputs.mean(1, keepdim=True))
    hypernetwork.next_scale.copy_(1 / next_outputs.std(1, keepdim=True).clamp_min(1e-3))
    normed = (states - hypernetwork.state_mean) * hypernetwork.state_scale
    keys = torch.bmm(F.gelu(torch.bmm(normed, hypernetwork.key_in)), hypernetwork.key_out)
    keys += hypernetwork.compute_queries(features.inputs[:, mask].float())
    hypernetwork.key_bias.copy_(-keys.mean(1, keepdim=True))
    deviation = next_outputs.std(1, keepdim=True)
    hypernetwork.value_skip.copy_((deviation / deviation.square().mean().sqrt()).expand_as(hypernetwork.value_skip))
