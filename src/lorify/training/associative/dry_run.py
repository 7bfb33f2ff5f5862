"""Estimate what a run of kind associative needs from its config alone; no weights are loaded.

Memory and operations are measured on a step of typical size: the code of hypernetwork, base and losses runs on tensors
without memory (`lorify.training.engine.peak_memory`).

Shape letters as in `lorify.hypernets.associative.network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.encoders.features import encode_chunks
from lorify.hypernets.associative.memory import Statistics, TokenMemory
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, address_adapters
from lorify.hypernets.associative.questions.focus import FocusSolver
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.associative.initialization import hypernetwork_config
from lorify.training.associative.objective import ROW_GROUPS
from lorify.training.associative.step_memory import CHUNK_GROUPS, StepMemory, mix_statistics
from lorify.training.associative.step_size import RowSize, StepSize, usual_step_size
from lorify.training.dry_run import DryRun, estimate_run
from lorify.training.engine.losses import cross_entropy_per_token, retrieval_loss, top_k_kl_per_token
from lorify.training.engine.meta_base import FEW_BLOCKS, MetaModel, cost_of_blocks, count_parameters, meta_model
from lorify.training.engine.packing import split_by_length
from lorify.training.engine.peak_memory import Cost, measure_cost


def dry_run_associative(config: AssociativeTrainingConfig, *, size: StepSize | None = None) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Args:
        config: the run.
        size: size of a step; None: the typical one.

    Raises:
        BaseModelError: if the config of the base cannot be read, or the base has no such linear layers.
        TrainingError: if the adapted module does not write into the hidden states.
    """
    base, chosen = meta_model(config.base), size or usual_step_size(config)
    network = hypernetwork_config(config, meta_base(base.with_blocks(len(base.blocks)), config.base))
    lower, layers = network.layers[0], len(network.layers)

    def step_cost(adapted: int, upper: int = 0) -> Cost:
        return _cost(config, base, network, adapted, upper, lambda step: step.run(chosen))

    steps = cost_of_blocks(layers, step_cost)
    upper = len(base.blocks) - lower - layers
    if upper:
        few = FEW_BLOCKS[0]
        steps = steps.plus_difference(step_cost(few), step_cost(few, few), upper / few)
    generating = cost_of_blocks(layers, lambda count: _cost(config, base, network, count, 0, _Step.generate))
    return estimate_run(
        config,
        base_parameters=base.num_parameters,
        trained=count_parameters(meta_hypernetwork(network)),
        activation_bytes=steps.peak_bytes,
        batch_flops=steps.flops + base.block_flops(lower, chosen.num_tokens),
        generation_peak_bytes=generating.peak_bytes,
    )


def _cost(
    config: AssociativeTrainingConfig,
    base: MetaModel,
    network: AssociativeConfig,
    num_adapted: int,
    num_upper: int,
    run: Callable[[_Step], None],
) -> Cost:
    """Cost of a run on a base with some adapted blocks and other blocks above them."""
    module = base.with_blocks(num_adapted + num_upper)
    adapted = tuple(range(num_adapted))  # a LoRA on attention layers is counted there, although it may begin lower
    network = network.model_copy(
        update={"layers": adapted, "attention_layers": adapted if network.attention_layers else ()}
    )
    step = _Step(config, meta_base(module, config.base), network, meta_hypernetwork(network))
    return measure_cost(lambda: run(step), (module, step.hypernetwork))


def meta_base(module: nn.Module, name: str) -> BaseLM:
    """Install the hooks on a base on the meta device; its texts begin with a start token.

    Args:
        module: the base.
        name: its name.
    """
    tokenizer = cast(PreTrainedTokenizerBase, SimpleNamespace(bos_token_id=0))
    return BaseLM(cast(PreTrainedModel, module), tokenizer, name=name, digest="")


def meta_hypernetwork(config: AssociativeConfig) -> AssociativeHypernetwork:
    """Build a hypernetwork on the meta device."""
    with torch.device("meta"):
        return AssociativeHypernetwork(config)


@dataclass(frozen=True)
class _Step:
    """A training step on tensors without memory."""

    config: AssociativeTrainingConfig
    base: BaseLM
    network: AssociativeConfig
    hypernetwork: AssociativeHypernetwork

    def run(self, size: StepSize) -> None:
        """Run forward and backward pass, as `AssociativeObjective.loss` does."""
        with torch.enable_grad():
            memory = self._encode(size)
            rows = sorted(size.rows, key=lambda row: row.is_focused)  # as `plan_rows` orders them
            A, B = self.hypernetwork.lora_A(), self._write(rows, memory)
            losses = []
            for group in split_by_length([row.tokens for row in rows], ROW_GROUPS):
                lora = address_adapters(self.network, self.hypernetwork, A, B[:, group])
                losses.append(self._loss([rows[i] for i in group], lora, memory))
            torch.stack(losses).mean().backward()

    def generate(self) -> None:
        """Generate the adapter of one chunk of full length."""
        with torch.no_grad():
            chunk = [[0] * self.network.chunk_tokens]
            features = encode_chunks(self.base, chunk, layers=self.network.layers, module=self.network.module)
            self.hypernetwork.write(self.hypernetwork(features).statistics())

    def _encode(self, size: StepSize) -> StepMemory:
        """As `StepEncoder.encode`."""
        context_of_chunk = torch.tensor(size.context_of_chunk)
        num_contexts = max(size.context_of_chunk) + 1
        statistics: Statistics | None = None
        memories: list[TokenMemory] = []
        for group in split_by_length(size.chunks, CHUNK_GROUPS):
            chunks = [[0] * size.chunks[i] for i in group]
            features = encode_chunks(self.base, chunks, layers=self.network.layers, module=self.network.module)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                memory = self.hypernetwork(features)
            memories += [memory.of_chunk(row, torch.arange(len(chunk))) for row, chunk in enumerate(chunks)]
            part = memory.statistics().sum(context_of_chunk[group], num_contexts)
            statistics = part if statistics is None else statistics + part
        assert statistics is not None
        return StepMemory(
            statistics=statistics,
            tokens=TokenMemory.concatenated(memories, dim=2),
            chunk_offsets={},
            token_ranges=(),
            words=(),
            documents=None,
        )

    def _write(self, rows: Sequence[RowSize], memory: StepMemory) -> Tensor:
        """As `write_rows`: `B [L, rows, r, d]`."""
        num_contexts = memory.statistics.S.shape[1]
        mixed = mix_statistics(memory.statistics, torch.ones(num_contexts, num_contexts))
        plain, focused = ([row.context for row in rows if row.is_focused == wanted] for wanted in (False, True))
        parts = [self.hypernetwork.write(Statistics(mixed.S[:, plain], mixed.M[:, plain]))] if plain else []
        if focused:
            top, factors = memory.top_tokens(torch.zeros(len(focused), memory.num_tokens))
            solver = FocusSolver(self.hypernetwork)
            background = solver.background(mixed.S[:, focused], torch.ones(len(focused)))
            parts.append(solver.write(background, top, factors))
        return torch.cat(parts, dim=1)

    def _loss(self, rows: Sequence[RowSize], lora: LoraBatch, memory: StepMemory) -> Tensor:
        """As `AnswerScorer.score`."""
        answers, optimization = sum(row.answers for row in rows), self.config.optimization
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with self.base.activation_hooks.recorded_inputs(self.network.layers, self.network.module) as inputs:
                logits = self._logits([row.tokens for row in rows], answers, lora)
        located = sum(row.located for row in rows)
        picked = torch.stack([inputs[layer].flatten(0, 1)[:answers] for layer in self.network.layers])
        queries = self.hypernetwork.compute_queries(picked.float())
        per_token = cross_entropy_per_token(logits, torch.zeros(answers, dtype=torch.long))
        loss = per_token.mean()
        taught = sum(row.taught for row in rows)
        if taught:
            with torch.no_grad():
                teacher = self._logits([row.teacher_tokens for row in rows if row.taught], taught, None)
            loss = loss + top_k_kl_per_token(logits[:taught], teacher, optimization.teacher_top_k).mean()
        if located and optimization.retrieval_weight:
            is_answer = torch.ones(located, memory.num_tokens, dtype=torch.bool)
            weights = memory.keys.new_ones(located, memory.num_tokens)
            loss = loss + retrieval_loss(queries[:, :located], memory.keys, is_answer, weights.log()).mean()
        return loss

    def _logits(self, lengths: Sequence[int], answers: int, lora: LoraBatch | None) -> Tensor:
        """Logits of answer tokens `[answers, vocabulary]`; rows are padded to the longest."""
        count, tokens = len(lengths), max(lengths)
        mask = self.base.attention_mask(torch.ones(count, 1, tokens, tokens, dtype=torch.bool))
        with self.base.hooks.applied(lora):
            hidden = self.base.decoder(
                input_ids=torch.zeros(count, tokens, dtype=torch.long),
                position_ids=torch.arange(tokens).expand(count, -1),
                attention_mask=mask,
                use_cache=False,
            ).last_hidden_state
        return self.base.logits(hidden.flatten(0, 1)[:answers])
