"""What a Perceiver run would take, from configs alone: no weight is loaded, nothing is fetched for the published bases.

Parameter counts are exact: both models are built without memory (on the meta device). The memory of generation is that
of the code itself, run on tensors without memory (`lorify.training.engine.peak_memory`), with weights in bfloat16 and
block by block, as on the CPU; `benchmarks/generation_memory.py` measures it. Memory and time of training are estimates
of what dominates: weights and optimizer states, and what a backward pass keeps of a full batch; multiplications at a
usual share of what an accelerator can do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from pydantic import ValidationError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lorify.base.files import resolve_base
from lorify.base.model import BaseLM
from lorify.contexts.encoders import Chunk, ContextEncoder, ImageChunk, TextEncoder
from lorify.contexts.patches import PatchEncoder
from lorify.contexts.vision import VisionEncoder, is_vision_language
from lorify.errors import ConfigError
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.doc_to_lora.internalizer import generate_weights
from lorify.hypernets.doc_to_lora.network import ContextEncoderConfig, PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.resampler import EXPANSION
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.training_config import describe_problems
from lorify.training.doc_to_lora.objective import adapted_layers, chosen_patches, encoder_layers, shared_fields
from lorify.training.engine.peak_memory import peak_bytes

ARCHITECTURES_PATH = Path(__file__).parent / "architectures.json"
ACCELERATOR_FLOPS = 990e12
"""Dense bfloat16 multiplications and additions a second of one H100 or H200, as its maker states them."""
USED_SHARE = 0.4
WHOLE_BYTES = 8  # weight and gradient in float32, for a step's batches
MOMENT_BYTES = 8  # two moments in float32
SHARD_BYTES = 12  # weight and two moments, cut over the processes
LOW_BYTES = 2  # bfloat16
FOUR_BIT_BYTES = 0.55  # with the scales of its blocks


@dataclass(frozen=True)
class DryRun:
    """Estimates for one process; the fields are those of `--json`.

    Attributes:
        base_parameters: of the base.
        hypernetwork_parameters: that are trained.
        weights_bytes: base (of a sharded one what a process holds), and the encoder where it is another model or in 4
            bits.
        training_state_bytes: the hypernetwork with gradients and optimizer.
        activation_bytes: what a full batch keeps for the backward pass.
        training_bytes: all of these.
        generation_bytes: base, hypernetwork and what it takes to make the adapter of one chunk, block by block.
        flops_a_step: of one process, accumulation included.
        seconds_a_step: on an accelerator of `ACCELERATOR_FLOPS`.
        hours: of the whole run, with all its processes at work.
    """

    base_parameters: int
    hypernetwork_parameters: int
    weights_bytes: int
    training_state_bytes: int
    activation_bytes: int
    training_bytes: int
    generation_bytes: int
    flops_a_step: float
    seconds_a_step: float
    hours: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def dry_run(config: PerceiverTrainingConfig) -> DryRun:
    """Reckon what a run would take.

    Raises:
        ConfigError: if a module is not in the base, or the shapes do not fit together.
        LorifyError: if the base is not a published one and its config cannot be read.
    """
    base = _meta_model(config.base)
    encoder = base if config.hypernetwork.encoder_model is None else _meta_model(config.hypernetwork.encoder_model)
    patches = chosen_patches(config)
    shape = _hypernetwork_shape(config, base, encoder)
    with torch.device("meta"):
        hypernetwork = PerceiverHypernetwork(shape)
    base_parameters, encoder_parameters = _count(base), 0 if patches else _count(encoder)
    encoder_bytes = 0
    if config.hypernetwork.quantized_encoder:
        encoder_bytes = round(FOUR_BIT_BYTES * encoder_parameters)
    elif encoder is not base and not patches:
        encoder_bytes = LOW_BYTES * encoder_parameters
    weights = _base_bytes(config, base) + encoder_bytes
    kept = SHARD_BYTES / config.num_processes if config.sharded and config.num_processes > 1 else MOMENT_BYTES
    state = round((WHOLE_BYTES + kept) * hypernetwork.num_parameters)
    activations = _batch_bytes(config, shape, base)
    whole = LOW_BYTES * base_parameters + encoder_bytes
    generation = whole + 4 * hypernetwork.num_parameters + _chunk_bytes(shape, encoder, hypernetwork)
    run_parameters = encoder_parameters * min(1.0, shape.encoder.num_layers / _architecture(encoder).num_hidden_layers)
    flops = config.optimization.accumulation * _batch_flops(
        config, shape, hypernetwork, base_parameters, run_parameters
    )
    seconds = flops / (ACCELERATOR_FLOPS * USED_SHARE)
    return DryRun(
        base_parameters=base_parameters,
        hypernetwork_parameters=hypernetwork.num_parameters,
        weights_bytes=weights,
        training_state_bytes=state,
        activation_bytes=activations,
        training_bytes=weights + state + activations,
        generation_bytes=generation,
        flops_a_step=flops,
        seconds_a_step=seconds,
        hours=seconds * config.optimization.steps / 3600,
    )


def _meta_model(name: str) -> nn.Module:
    """A base without memory for its weights."""
    known = json.loads(ARCHITECTURES_PATH.read_text(encoding="utf-8"))
    if name in known:
        fields = dict(known[name])
        architecture = AutoConfig.for_model(fields.pop("model_type"), **fields)
    else:
        architecture = cast(PreTrainedConfig, AutoConfig.from_pretrained(resolve_base(name)))
    with torch.device("meta"):
        sees = is_vision_language((architecture.architectures or [""])[0])
        loader = AutoModelForImageTextToText if sees else AutoModelForCausalLM
        return cast(nn.Module, loader.from_config(architecture, dtype=torch.bfloat16))


def _hypernetwork_shape(config: PerceiverTrainingConfig, base: nn.Module, encoder: nn.Module) -> PerceiverConfig:
    shape = config.hypernetwork
    of_base, of_encoder = _architecture(base), _architecture(encoder)
    layers = adapted_layers(config, int(of_base.num_hidden_layers))
    patches = chosen_patches(config)
    linears = {name.rpartition(".")[2]: m for name, m in _blocks(base)[0].named_modules() if isinstance(m, nn.Linear)}
    missing = [name for name in shape.modules if name not in linears]
    if missing:
        raise ConfigError(
            f"hypernetwork.modules: base {config.base} has no {missing[0]!r}; it has {', '.join(sorted(linears))}"
        )
    try:
        return PerceiverConfig(
            base_name=config.base,
            base_digest="",
            encoder=ContextEncoderConfig(
                kind=shape.encoder,
                num_layers=encoder_layers(config, int(of_encoder.num_hidden_layers), len(layers)),
                feature_size=patches.feature_size if patches else int(of_encoder.hidden_size),
                patches=patches,
            ),
            num_layers=len(layers),
            modules=tuple(
                AdaptedModule(name=n, in_features=linears[n].in_features, out_features=linears[n].out_features)
                for n in sorted(shape.modules)
            ),
            **shared_fields(config),
        )
    except ValidationError as error:
        raise ConfigError(f"hypernetwork: {describe_problems(error)}") from error


def _architecture(model: nn.Module) -> PreTrainedConfig:
    return cast(PreTrainedConfig, model.config).get_text_config()


def _blocks(model: nn.Module) -> nn.ModuleList:
    decoder = cast(nn.Module, model.get_decoder())  # pyright: ignore[reportCallIssue]
    return cast(nn.ModuleList, decoder.layers)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _base_bytes(config: PerceiverTrainingConfig, base: nn.Module) -> int:
    """What a process holds of the base in training: of a sharded one its part of the blocks, and one that runs."""
    if not config.sharded_base or config.num_processes == 1:
        return LOW_BYTES * _count(base)
    blocks = _count(_blocks(base))
    held = blocks / config.num_processes + _count(_blocks(base)[0])
    return round(LOW_BYTES * (_count(base) - blocks + held))


def _positions(shape: PerceiverConfig, num_tokens: int) -> int:
    """Feature vectors that the Perceiver reads of so many context tokens."""
    return num_tokens * (shape.num_layers if shape.per_layer else 1)


def _batch_bytes(config: PerceiverTrainingConfig, shape: PerceiverConfig, base: nn.Module) -> int:
    """What a full batch keeps: the Perceiver over the contexts, the base over the questions, generated weights."""
    data, architecture = config.data, _architecture(base)
    feature, latent = shape.encoder.feature_size, shape.latent_size
    # Projection: features, gate, its activation, up, their product; in each block: source normed twice, key, value.
    a_position = feature * (1 + 4 * EXPANSION) + (shape.num_blocks + 1) * (
        2 * latent + 2 * shape.num_kv_heads * shape.head_size
    )
    perceiver = LOW_BYTES * a_position * _positions(shape, data.batch_context_tokens)
    widths = sum(m.in_features + m.out_features for m in shape.modules)
    contexts = max(1, data.batch_context_tokens // shape.chunk_tokens)
    generated = 4 * 3 * contexts * shape.num_layers * shape.rank * widths
    # A block keeps about ten vectors of the hidden width (norms, attention) and four of its MLP.
    a_token = int(architecture.num_hidden_layers) * (
        10 * int(architecture.hidden_size) + 4 * int(architecture.intermediate_size)
    )
    question = LOW_BYTES * a_token * data.batch_question_tokens
    return perceiver + generated + question


def _chunk_bytes(shape: PerceiverConfig, encoder: nn.Module, hypernetwork: PerceiverHypernetwork) -> int:
    """What generation holds beside the weights at its peak, for one chunk of full length."""
    reader, chunk = _reader(shape, encoder)
    return peak_bytes(
        lambda: generate_weights(hypernetwork, shape, reader, [chunk], iterative=True), (encoder, hypernetwork)
    )


def _reader(shape: PerceiverConfig, encoder: nn.Module) -> tuple[ContextEncoder, Chunk]:
    """The context encoder without memory, and what it reads at a time: a text of full length, or patches."""
    grid = shape.encoder.patches
    if grid is not None:
        patches = torch.zeros(1, grid.num_patches, grid.feature_size)
        return PatchEncoder(grid, torch.device("cpu")), ImageChunk({"patches": patches}, grid.num_patches)
    model, chunk = cast(PreTrainedModel, encoder), [0] * shape.chunk_tokens  # in tokens already: no tokenizer is needed
    if is_vision_language(type(model).__name__):
        return VisionEncoder(model, None, shape.base_name), chunk
    no_tokenizer = cast(PreTrainedTokenizerBase, None)
    return TextEncoder(BaseLM(model, no_tokenizer, name=shape.base_name, digest="")), chunk


def _batch_flops(
    config: PerceiverTrainingConfig,
    shape: PerceiverConfig,
    hypernetwork: PerceiverHypernetwork,
    base_parameters: int,
    run_parameters: float,
) -> float:
    """Multiplications and additions of one batch: 2 a weight forward, and 2 more for each gradient that is taken.

    `run_parameters` are those of the encoder's blocks that are run.
    """
    data, contexts, questions = config.data, config.data.batch_context_tokens, config.data.batch_question_tokens
    encode = 2 * run_parameters * contexts
    # The base is frozen: gradients go through it, not into it.
    answer = 4 * base_parameters * questions
    teach = 0
    if config.optimization.loss == "kl":
        teach = 2 * base_parameters * (questions + contexts * data.questions_per_context)
    keys = 2 * (shape.num_blocks + 1) * shape.latent_size * shape.num_kv_heads * shape.head_size
    a_position = sum(p.numel() for p in hypernetwork.perceiver.projection.parameters()) + keys
    return encode + answer + teach + 6 * a_position * _positions(shape, contexts)
