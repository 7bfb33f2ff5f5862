"""Estimate what a Perceiver run needs from its config alone; no weights are loaded.

Parameter counts are exact. Memory and operations are measured by running the code itself on tensors without memory
(`lorify.training.engine.peak_memory`): context encoder and Perceiver over a full batch of contexts, the base over its
questions, with its kind of attention and the logits of the answers, and generating an adapter block by block. Time
follows from the operations at a typical utilization of an accelerator, plus the time to read stored data.
`benchmarks/dry_runs.py` and `benchmarks/generation_memory.py` compare them with real steps.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import Chunk, ContextEncoder, ImageChunk, TextEncoder
from lorify.contexts.encoders.patches import PatchEncoder
from lorify.contexts.encoders.vision import VisionEncoder, is_vision_language
from lorify.hypernets.doc_to_lora.chunk_merging import merge_chunks
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.generation import generate_weights
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.hypernetwork_config import patch_grid
from lorify.training.doc_to_lora.meta_models import hypernetwork_config_of, meta_hypernetwork
from lorify.training.dry_run import ACCELERATOR_FLOPS, BFLOAT16_BYTES, FLOAT32_BYTES, UTILIZATION, DryRun
from lorify.training.engine.meta_base import MetaModel, StepShape, count_parameters, meta_model
from lorify.training.engine.peak_memory import Cost, measure_cost

WEIGHT_AND_GRADIENT_BYTES = 2 * FLOAT32_BYTES
MOMENTS_BYTES = 2 * FLOAT32_BYTES
SHARD_BYTES = 3 * FLOAT32_BYTES
"""Bytes of a weight and its two moments, split over the processes."""
USUAL_CONTEXT_TOKENS = 512
"""Contexts of a batch are counted with this length if chunks may be longer."""
SECONDS_A_STORED_CONTEXT = 0.009
"""Seconds to read a context of self-generated data from its shard; measured on one CPU core."""
MEAN_CONTEXT_TOKENS = 277
"""Mean length of a context in the published data (Doc-to-LoRA, section 4)."""
ANSWER_SHARE = 0.5
QUANTIZED_BYTES = 0.55
"""Bytes of a weight in 4 bits, including its block's scales."""


def dry_run(config: PerceiverTrainingConfig, *, answer_share: float = ANSWER_SHARE) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Args:
        config: the run.
        answer_share: share of the question tokens that are answers.

    Raises:
        ConfigError: if the base lacks a module, or fields of the config contradict each other.
        LorifyError: if the base is not one of the paper's and its config cannot be read.
    """
    return _Estimate.of(config, answer_share).dry_run()


@dataclass(frozen=True)
class _Estimate:
    """A run and its models on the meta device."""

    config: PerceiverTrainingConfig
    answer_share: float
    base: MetaModel
    encoder: MetaModel
    hypernetwork_config: PerceiverConfig
    hypernetwork: PerceiverHypernetwork

    @classmethod
    def of(cls, config: PerceiverTrainingConfig, answer_share: float) -> _Estimate:
        base = meta_model(config.base)
        name = config.hypernetwork.encoder_model
        encoder = base if name is None else meta_model(name)
        hypernetwork_config = hypernetwork_config_of(config, base, encoder)
        return cls(config, answer_share, base, encoder, hypernetwork_config, meta_hypernetwork(hypernetwork_config))

    def dry_run(self) -> DryRun:
        num_trained = self.hypernetwork.num_parameters
        weights = self._base_bytes() + self._encoder_bytes()
        state = round((WEIGHT_AND_GRADIENT_BYTES + self._optimizer_bytes()) * num_trained)
        contexts, context_bytes = self._context_cost(backward=True), self._context_cost(backward=False).kept_bytes
        questions = self._question_cost()
        # While the base runs, the activations of encoder and Perceiver are kept: their backward pass comes later.
        activations = max(context_bytes + questions.peak_bytes, contexts.peak_bytes)
        whole = BFLOAT16_BYTES * self.base.num_parameters + self._encoder_bytes()
        optimization = self.config.optimization
        flops = optimization.accumulation * (contexts.flops + questions.flops + self._teacher_flops())
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
        """The base in training; if it is sharded, a process holds its part of the blocks and the block that runs."""
        if not self.config.sharded_base or self.config.num_processes == 1:
            return BFLOAT16_BYTES * self.base.num_parameters
        blocks = sum(map(count_parameters, self.base.blocks))
        held = blocks / self.config.num_processes + count_parameters(self.base.blocks[0])
        return round(BFLOAT16_BYTES * (self.base.num_parameters - blocks + held))

    def _encoder_parameters(self) -> int:
        return 0 if patch_grid(self.config) else self.encoder.num_parameters

    def _encoder_bytes(self) -> int:
        """The context encoder, if it is not the base itself."""
        if self.config.hypernetwork.quantized_encoder:
            return round(QUANTIZED_BYTES * self._encoder_parameters())
        return 0 if self.encoder is self.base else BFLOAT16_BYTES * self._encoder_parameters()

    def _optimizer_bytes(self) -> float:
        """Bytes of optimizer state per parameter, and in a sharded run its part of the weight."""
        is_sharded = self.config.sharded and self.config.num_processes > 1
        return SHARD_BYTES / self.config.num_processes if is_sharded else MOMENTS_BYTES

    @property
    def _num_contexts(self) -> int:
        """Contexts of a full batch, each of one chunk."""
        data = self.config.data
        usual = min(self.hypernetwork_config.chunk_tokens, USUAL_CONTEXT_TOKENS, data.batch_context_tokens)
        return data.batch_context_tokens // usual

    def _context_cost(self, *, backward: bool) -> Cost:
        """Encoder and Perceiver over the contexts of a full batch."""
        network, count = self.hypernetwork_config, self._num_contexts
        tokens = self.config.data.batch_context_tokens // count
        module, hypernetwork = copy.deepcopy((self.encoder.module, self.hypernetwork))  # a measurement changes them
        encoder, chunk = _encoder_and_chunk(network, module, tokens)
        is_packed = isinstance(encoder, TextEncoder)  # texts are one sequence, as in `TextEncoder.encode_packed`
        chunks: list[Chunk] = [[0] * count * tokens] if is_packed else [chunk] * count

        def run() -> object:
            with torch.no_grad():
                encoded = encoder.encode(chunks, kind=network.encoder.kind, num_layers=network.encoder.num_layers)
            states, mask, positions = encoded.states, encoded.mask, None
            if is_packed:
                states, mask = states[0], torch.ones(count, tokens, dtype=torch.bool)
                positions = torch.arange(count * tokens).view(count, tokens)
            with torch.enable_grad():
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    generated = hypernetwork(states, mask, positions)
                merged = merge_chunks(generated, [1] * count, hypernetwork.bias())
                size = torch.stack([w.A.abs().mean() + w.B.abs().mean() for w in merged.values()]).mean()
            if backward:
                size.backward()
            return states, merged, size

        return measure_cost(run, (module, hypernetwork))

    def _question_cost(self) -> Cost:
        """The base over the questions of a full batch."""
        contexts = self._num_contexts
        network, tokens = self.hypernetwork_config, self.config.data.batch_question_tokens
        layers = range(network.first_layer, network.first_layer + network.num_layers)
        joined = network.first_layer == 0  # otherwise each context is a separate sequence
        rows = 1 if joined else contexts
        shape = StepShape(
            rows=rows,
            tokens=max(2, tokens // rows),
            answers=max(1, round(self.answer_share * tokens / rows)),
            adapters=contexts,
            layers=layers,
            modules=network.modules,
            rank=network.rank,
        )
        return self.base.step_cost(shape)

    def _num_stored_contexts(self) -> float:
        """Contexts of a full batch that are read from stored data."""
        data = self.config.data
        return data.batch_context_tokens / MEAN_CONTEXT_TOKENS if data.self_generated else 0.0

    def _chunk_bytes(self) -> int:
        """Peak of generating an adapter from one chunk of full length, besides the weights."""
        network = self.hypernetwork_config
        module, hypernetwork = copy.deepcopy((self.encoder.module, self.hypernetwork))
        encoder, chunk = _encoder_and_chunk(network, module, network.chunk_tokens)

        def generate() -> None:
            generate_weights(hypernetwork, network, encoder, [chunk], iterative=True)

        return measure_cost(generate, (module, hypernetwork)).peak_bytes

    def _teacher_flops(self) -> float:
        """The base over questions with their contexts; in self-generated data the teacher's predictions are stored."""
        data = self.config.data
        if self.config.optimization.loss != "kl":
            return 0.0
        shares = data.self_generated + data.niah + data.facts + data.questions
        tokens = data.batch_question_tokens + data.batch_context_tokens * data.questions_per_context
        return 2.0 * self.base.num_parameters * tokens * (1 - data.self_generated / shares)


def _encoder_and_chunk(
    hypernetwork_config: PerceiverConfig, module: nn.Module, tokens: int
) -> tuple[ContextEncoder, Chunk]:
    """A context encoder on the meta device, and a chunk for it: a text of the given length or an image's patches."""
    grid = hypernetwork_config.encoder.patches
    if grid is not None:
        patches = torch.zeros(1, grid.num_patches, grid.feature_size)
        return PatchEncoder(grid, torch.device("cpu")), ImageChunk({"patches": patches}, grid.num_patches)
    chunk = [0] * tokens  # token ids, so that no tokenizer is needed
    model = cast(PreTrainedModel, module)
    if is_vision_language(type(model).__name__):
        return VisionEncoder(model, None, hypernetwork_config.base_name), chunk
    no_tokenizer = cast(PreTrainedTokenizerBase, None)
    return TextEncoder(BaseLM(model, no_tokenizer, name=hypernetwork_config.base_name, digest="")), chunk
