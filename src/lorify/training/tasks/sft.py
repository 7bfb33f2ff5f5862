"""Training of a task hypernetwork through the frozen base (SFT): descriptions in, answers to instances out.

Source: Text-to-LoRA (arXiv 2506.06105), section 3.3 and appendix: several tasks per batch, one of many descriptions for
each, label smoothing, NEFTune noise, the mean square of the generated weights. Ours packs the instances of a
description into one row, so that its adapter is generated once and the chat template's tokens are read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.adapters.storage import load_adapter
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder, load_description_encoder
from lorify.errors import TrainingError
from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import task_lora_batch
from lorify.hypernets.text_to_lora.training_config import TaskTrainingConfig
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskBatch, TaskSampler
from lorify.training.tasks.scoring import RowScores, evaluate_heldout, score_rows
from lorify.training.tasks.selection import select_tasks
from lorify.training.tasks.setup import (
    build_samplers,
    build_task_config,
    embed_descriptions,
    load_start,
    load_task_base,
    multi_task_fields,
)


def prepare_task(config: TaskTrainingConfig, preparation: Preparation) -> TaskObjective:
    """Read the tasks, load the base and the description encoder, embed all descriptions, and build the objective.

    Raises:
        LorifyError: if tasks, base or description encoder cannot be read.
    """
    train, unseen = select_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    encoder = load_description_encoder(config.hypernetwork.embedder, base=base, device=base.device)
    samplers = build_samplers(config.data, config.seed, base, train, unseen)
    descriptions = [text for sampler in samplers.values() for text in sampler.descriptions]
    embeddings = embed_descriptions(encoder, descriptions, preparation) if descriptions else {}
    return TaskObjective(config, base, encoder, samplers=samplers, embeddings=embeddings)


class TaskObjective:
    """Instances of tasks, answered by the base with the adapter that the hypernetwork generates from a description."""

    def __init__(
        self,
        config: TaskTrainingConfig,
        base: BaseLM,
        encoder: DescriptionEncoder,
        *,
        samplers: Mapping[str, TaskSampler],
        embeddings: Mapping[str, Tensor],
    ) -> None:
        """Start with a new hypernetwork or the one at `config.init_from`.

        Args:
            config: the run.
            base: the frozen base.
            encoder: encoder of the descriptions.
            samplers: `train`, `seen`, and `unseen` if there are tasks of other families.
            embeddings: embedding `[e]` of every description that the samplers draw.
        """
        self.config, self.base, self.samplers, self.encoder = config, base, samplers, encoder
        self._batches = PrefetchedBatches(samplers["train"].build, base.device)
        self.embeddings = {text: embedding.to(base.device) for text, embedding in embeddings.items()}
        torch.manual_seed(config.seed)
        self.hypernetwork_config, hypernetwork = _initial_hypernetwork(config, base, encoder)
        self.hypernetwork = hypernetwork.to(base.device).train()

    @property
    def module(self) -> TaskHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`."""
        optimization = self.config.optimization
        step, seconds = self._batches.take(batch)
        generated = self.hypernetwork(self._embeddings_of(step))
        lora = task_lora_batch(self.hypernetwork_config, generated.weights)
        scores = score_rows(self.base, step.rows, lora, optimization, training=True)
        answers = scores.loss.mean()
        size = mean_square(generated.weights)
        total = answers + optimization.l2_weight * size + generated.encoder_loss
        metrics = {
            "loss/answers": answers.item(),
            "mean_square": size.item(),
            "exact/train": scores.exact.mean().item(),
        }
        return BatchLoss(total, metrics, scores.num_tokens, data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute loss and exact match with unseen descriptions: of trained tasks (`seen`) and others (`unseen`)."""
        self.hypernetwork.eval()

        def score(step: TaskBatch) -> RowScores:
            lora = task_lora_batch(self.hypernetwork_config, self.hypernetwork(self._embeddings_of(step)).weights)
            return score_rows(self.base, step.rows, lora, self.config.optimization, training=False)

        metrics = evaluate_heldout(self.samplers, self.config.evaluation_batches, score)
        self.hypernetwork.train()
        return metrics

    def score(self, heldout: Mapping[str, float]) -> float:
        """Return exact match of trained tasks; `unseen` tasks must not select weights."""
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Save the hypernetwork with its config to `folder`."""
        trained = {
            "num_training_tasks": len(self.samplers["train"].tasks),
            "published_chat": self.config.data.prompts == "published",
        }
        TEXT_TO_LORA.save(folder, self.hypernetwork_config.model_copy(update=trained), self.hypernetwork)

    def _embeddings_of(self, step: TaskBatch) -> Tensor:
        if self.config.data.adapter_from == "prompt":  # too many to embed before the run
            return self.encoder.encode(step.descriptions).to(self.base.device)
        return torch.stack([self.embeddings[text] for text in step.descriptions])  # [rows, e]


def mean_square(weights: Mapping[str, LoraStack]) -> Tensor:
    """Sum the mean squares of A and of B over the modules."""
    return torch.stack([s.A.square().mean() + s.B.square().mean() for s in weights.values()]).sum()


def _initial_hypernetwork(
    config: TaskTrainingConfig, base: BaseLM, encoder: DescriptionEncoder
) -> tuple[TaskConfig, TaskHypernetwork]:
    if config.init_from is not None:
        return load_start(config.init_from, base, encoder)
    hypernetwork_config = build_task_config(config.hypernetwork, base, encoder, **multi_task_fields(config))
    hypernetwork = build_task_hypernetwork(hypernetwork_config)
    if config.multi_task_lora is not None:
        _fill_offset(hypernetwork, hypernetwork_config, load_adapter(config.multi_task_lora), base)
    return hypernetwork_config, hypernetwork


def _fill_offset(hypernetwork: TaskHypernetwork, config: TaskConfig, adapter: Adapter, base: BaseLM) -> None:
    """Copy a LoRA for all tasks into the hypernetwork's offset.

    Raises:
        AdapterError: if it is for another base.
        TrainingError: if it adapts other linear layers, or has another rank or scaling.
    """
    adapter.check_base(base)
    wanted = {(layer, module.name) for layer in config.layers for module in config.modules}
    ranks = {pair.rank for pair in adapter.weights.values()}
    if (
        set(adapter.weights) != wanted
        or ranks != {config.rank}
        or abs(adapter.lora_alpha / config.rank - config.scaling) > 1e-6
    ):
        raise TrainingError(
            "multi_task_lora has other modules, blocks, rank or scaling than the hypernetwork; train it with the same "
            "settings (kind lora, shared true)"
        )
    assert hypernetwork.output_range.offset is not None
    stacks = {
        module.name: LoraStack(
            torch.stack([adapter.weights[layer, module.name].A.float() for layer in config.layers]),
            torch.stack([adapter.weights[layer, module.name].B.float() for layer in config.layers]),
        )
        for module in config.modules
    }
    hypernetwork.output_range.offset.fill(stacks)
