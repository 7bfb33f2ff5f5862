"""Estimates of what a Perceiver run needs, from its config alone: no weights are loaded.

Parameter counts are exact. The memory of generation is that of the code itself, run on tensors without memory
(`lorify.training.engine.peak_memory`), with weights in bfloat16 and block by block, as on the CPU;
`benchmarks/generation_memory.py` measures it. So is the memory of the base in training, with its kind of attention and
the logits of the answers. That of the Perceiver is estimated by its dominant terms, and time by operations at a usual
utilization of an accelerator, with the time to read stored data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lorify.base.model import BaseLM
from lorify.contexts.encoders import Chunk, ContextEncoder, ImageChunk, TextEncoder
from lorify.contexts.patches import PatchEncoder
from lorify.contexts.vision import VisionEncoder, is_vision_language
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.generation import generate_weights
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.resampler import EXPANSION
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.hypernetwork_config import patch_grid
from lorify.training.doc_to_lora.meta_models import hypernetwork_config_of, meta_hypernetwork
from lorify.training.dry_run import ACCELERATOR_FLOPS, UTILIZATION, DryRun
from lorify.training.engine.meta_base import MetaModel, StepShape, count_parameters, meta_model
from lorify.training.engine.peak_memory import peak_bytes

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2
WEIGHT_AND_GRADIENT_BYTES = 2 * FLOAT32_BYTES
MOMENTS_BYTES = 2 * FLOAT32_BYTES
SHARD_BYTES = 3 * FLOAT32_BYTES
"""Weight and two moments, split over the processes."""
USUAL_CONTEXT_TOKENS = 512
"""Contexts of a batch are counted as if they had this length, where chunks may be longer."""
SECONDS_A_STORED_CONTEXT = 0.009
"""Reading a context of self-generated data from its shard; measured on one CPU core."""
MEAN_CONTEXT_TOKENS = 277
"""Mean length of a context in the published data (Doc-to-LoRA, section 4)."""
QUANTIZED_BYTES = 0.55
"""A weight in 4 bits, with the scales of its block."""


def dry_run(config: PerceiverTrainingConfig) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Raises:
        ConfigError: if the base lacks a module, or fields of the config contradict each other.
        LorifyError: if the base is not one of the paper's and its config cannot be read.
    """
    return _Estimate.of(config).dry_run()


@dataclass(frozen=True)
class _Estimate:
    """A run and its models on the meta device."""

    config: PerceiverTrainingConfig
    base: MetaModel
    encoder: MetaModel
    hypernetwork_config: PerceiverConfig
    hypernetwork: PerceiverHypernetwork

    @classmethod
    def of(cls, config: PerceiverTrainingConfig) -> _Estimate:
        base = meta_model(config.base)
        name = config.hypernetwork.encoder_model
        encoder = base if name is None else meta_model(name)
        hypernetwork_config = hypernetwork_config_of(config, base, encoder)
        return cls(config, base, encoder, hypernetwork_config, meta_hypernetwork(hypernetwork_config))

    def dry_run(self) -> DryRun:
        num_trained = self.hypernetwork.num_parameters
        weights = self._base_bytes() + self._encoder_bytes()
        state = round((WEIGHT_AND_GRADIENT_BYTES + self._optimizer_bytes()) * num_trained)
        activations = self._activation_bytes()
        whole = BFLOAT16_BYTES * self.base.num_parameters + self._encoder_bytes()
        optimization = self.config.optimization
        flops = optimization.accumulation * self._batch_flops()
        reading = optimization.accumulation * self._num_stored_contexts() * SECONDS_A_STORED_CONTEXT
        seconds = flops / (ACCELERATOR_FLOPS * UTILIZATION) + reading
        return DryRun(
            base_parameters=self.base.num_parameters,
            hypernetwork_parameters=num_trained,
            weights_bytes=weights,
            training_state_bytes=state,
            activation_bytes=activations,
            training_bytes=weights + state + activations,
            generation_bytes=whole + FLOAT32_BYTES * num_trained + self._chunk_bytes(),
            flops_a_step=flops,
            reading_seconds_a_step=reading,
            seconds_a_step=seconds,
            hours=seconds * optimization.steps / 3600,
            num_processes=self.config.num_processes,
        )

    def _base_bytes(self) -> int:
        """The base in training; of a sharded one a process holds its part of the blocks, and one block that runs."""
        if not self.config.sharded_base or self.config.num_processes == 1:
            return BFLOAT16_BYTES * self.base.num_parameters
        blocks = sum(map(count_parameters, self.base.blocks))
        held = blocks / self.config.num_processes + count_parameters(self.base.blocks[0])
        return round(BFLOAT16_BYTES * (self.base.num_parameters - blocks + held))

    def _encoder_parameters(self) -> int:
        return 0 if patch_grid(self.config) else self.encoder.num_parameters

    def _encoder_bytes(self) -> int:
        """The context encoder, where it is not the base itself."""
        if self.config.hypernetwork.quantized_encoder:
            return round(QUANTIZED_BYTES * self._encoder_parameters())
        return 0 if self.encoder is self.base else BFLOAT16_BYTES * self._encoder_parameters()

    def _optimizer_bytes(self) -> float:
        """Optimizer state a parameter, and of a sharded run the part of the weight."""
        is_sharded = self.config.sharded and self.config.num_processes > 1
        return SHARD_BYTES / self.config.num_processes if is_sharded else MOMENTS_BYTES

    def _num_features(self) -> int:
        """Feature vectors that the Perceiver reads in a full batch."""
        network = self.hypernetwork_config
        return self.config.data.batch_context_tokens * (network.num_layers if network.per_layer else 1)

    def _activation_bytes(self) -> int:
        """A full batch: the Perceiver over the contexts, the base over the questions, the generated weights."""
        data, network = self.config.data, self.hypernetwork_config
        latent = network.latent_size
        # Projection: features, gate, its activation, up, their product; each block: source normed twice, key, value.
        of_feature = network.encoder.feature_size * (1 + 4 * EXPANSION) + (network.num_blocks + 1) * (
            2 * latent + 2 * network.num_kv_heads * network.head_size
        )
        perceiver = BFLOAT16_BYTES * of_feature * self._num_features()
        widths = sum(m.in_features + m.out_features for m in network.modules)
        contexts = max(1, data.batch_context_tokens // min(network.chunk_tokens, USUAL_CONTEXT_TOKENS))
        generated = FLOAT32_BYTES * 3 * contexts * network.num_layers * network.rank * widths
        return perceiver + generated + self._question_bytes(contexts)

    def _question_bytes(self, contexts: int) -> int:
        """The base over the questions of a full batch, half of whose tokens are answers."""
        network, tokens = self.hypernetwork_config, self.config.data.batch_question_tokens
        layers = range(network.first_layer, network.first_layer + network.num_layers)
        joined = network.first_layer == 0  # else each context has a sequence of its own
        rows = 1 if joined else contexts
        shape = StepShape(
            rows=rows,
            tokens=max(2, tokens // rows),
            answers=max(1, tokens // rows // 2),
            adapters=contexts,
            layers=layers,
            modules=network.modules,
            rank=network.rank,
        )
        return self.base.step_bytes(shape)

    def _num_stored_contexts(self) -> float:
        """Contexts of a full batch that are read from stored data."""
        data = self.config.data
        return data.batch_context_tokens / MEAN_CONTEXT_TOKENS if data.self_generated else 0.0

    def _chunk_bytes(self) -> int:
        """Peak of generating an adapter from one chunk of full length, besides the weights."""
        encoder, chunk = _encoder_and_chunk(self.hypernetwork_config, self.encoder)

        def generate() -> None:
            generate_weights(self.hypernetwork, self.hypernetwork_config, encoder, [chunk], iterative=True)

        return peak_bytes(generate, (self.encoder.module, self.hypernetwork))

    def _batch_flops(self) -> float:
        """Operations of one batch: 2 a weight in the forward pass, and 2 more for each gradient that is computed."""
        network, data = self.hypernetwork_config, self.config.data
        contexts, questions = data.batch_context_tokens, data.batch_question_tokens
        run_share = min(1.0, network.encoder.num_layers / self.encoder.architecture.num_hidden_layers)
        encode = 2 * self._encoder_parameters() * run_share * contexts
        # Gradients flow through the frozen base, but none is computed for its weights.
        answer = 4 * self.base.num_parameters * questions
        teach = 0.0
        if self.config.optimization.loss == "kl":  # self-generated data stores what the teacher says
            teach = 2 * self.base.num_parameters * (questions + contexts * data.questions_per_context)
            teach *= 1 - data.self_generated / max(1, data.self_generated + data.niah + data.facts + data.questions)
        keys = 2 * (network.num_blocks + 1) * network.latent_size * network.num_kv_heads * network.head_size
        of_feature = count_parameters(self.hypernetwork.perceiver.projection) + keys
        return encode + answer + teach + 6 * of_feature * self._num_features()


def _encoder_and_chunk(hypernetwork_config: PerceiverConfig, encoder: MetaModel) -> tuple[ContextEncoder, Chunk]:
    """A context encoder on the meta device, and the longest chunk it reads: a text or the patches of an image."""
    grid = hypernetwork_config.encoder.patches
    if grid is not None:
        patches = torch.zeros(1, grid.num_patches, grid.feature_size)
        return PatchEncoder(grid, torch.device("cpu")), ImageChunk({"patches": patches}, grid.num_patches)
    chunk = [0] * hypernetwork_config.chunk_tokens  # token ids, so that no tokenizer is needed
    model = cast(PreTrainedModel, encoder.module)
    if is_vision_language(type(model).__name__):
        return VisionEncoder(model, None, hypernetwork_config.base_name), chunk
    no_tokenizer = cast(PreTrainedTokenizerBase, None)
    return TextEncoder(BaseLM(model, no_tokenizer, name=hypernetwork_config.base_name, digest="")), chunk
