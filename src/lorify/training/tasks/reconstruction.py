"""Training of a task hypernetwork to reconstruct the LoRAs of a library, without forward passes of the base.

Source: Text-to-LoRA (arXiv 2506.06105), section 3.2: mean absolute error of A and B as z-scores over the library, or of
their product, multiplied by a large number in the loss.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder, load_description_encoder
from lorify.contexts.descriptions.task_names import ONE_HOT_EMBEDDER, ONE_HOT_SETTING, TaskNameEncoder
from lorify.errors import ConfigError, TrainingError
from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import Library, load_library
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork
from lorify.hypernets.text_to_lora.training_config import ReconstructionTrainingConfig
from lorify.training.engine.objective import BatchLoss
from lorify.training.preparation import Preparation
from lorify.training.tasks.setup import build_task_config, embed_descriptions, load_start

DEVIATION_FLOOR = 1e-6


def prepare_reconstruction(config: ReconstructionTrainingConfig, preparation: Preparation) -> ReconstructionObjective:
    """Load library, base and description encoder, embed all descriptions, and build the objective.

    Raises:
        ConfigError: if the config does not name a library.
        LorifyError: if library, base or description encoder cannot be read.
    """
    if config.library is None:
        raise ConfigError("library is not set; train one with a run of kind lora and give its best folder")
    library = load_library(config.library)
    base = preparation.load_base(config.base)
    if config.hypernetwork.embedder == ONE_HOT_SETTING:
        encoder: DescriptionEncoder = TaskNameEncoder(tuple(library.adapters))
        library = Library(library.adapters, {name: (name,) for name in library.adapters})
    else:
        encoder = load_description_encoder(config.hypernetwork.embedder, base=base, device=base.device)
    descriptions = [text for group in library.descriptions.values() for text in group]
    embeddings = embed_descriptions(encoder, descriptions, preparation)
    return ReconstructionObjective(config, base, encoder, library, embeddings)


class ReconstructionObjective:
    """Generates the LoRAs of a library from the descriptions of their tasks."""

    def __init__(
        self,
        config: ReconstructionTrainingConfig,
        base: BaseLM,
        encoder: DescriptionEncoder,
        library: Library,
        embeddings: Mapping[str, Tensor],
    ) -> None:
        """Start with a new hypernetwork with the library's output range, or the one at `config.init_from`.

        Args:
            config: the run.
            base: the base of the library.
            encoder: encoder of the descriptions.
            library: one adapter and some descriptions for each task.
            embeddings: embedding `[e]` of every description.

        Raises:
            AdapterError: if the library is for another base.
            TrainingError: if its modules, blocks, rank or scaling differ from the hypernetwork's.
        """
        self.config, self.names = config, list(library.adapters)
        self.in_published_chat = any(a.provenance.has_published_chat for a in library.adapters.values())
        self.descriptions = library.descriptions
        self.embeddings = {text: embedding.to(base.device) for text, embedding in embeddings.items()}
        z_scores = config.target == "z_scores"
        torch.manual_seed(config.seed)
        hypernetwork: TaskHypernetwork | None = None
        if config.init_from is not None:
            self.hypernetwork_config, hypernetwork = load_start(config.init_from, base, encoder)
        else:
            self.hypernetwork_config = build_task_config(
                config.hypernetwork,
                base,
                encoder,
                hyper_init=False,
                standardized=z_scores,
                head_bias=not z_scores if config.head_bias is None else config.head_bias,
                output_scale=1.0 if z_scores else config.delta_w_scaling**-0.5,
                task_names=self.names if encoder.name == ONE_HOT_EMBEDDER else (),
            )
        self.targets = _stack(library, self.hypernetwork_config, base)  # A [tasks, L, r, i], B [tasks, L, o, r]
        self.deviations = {
            name: LoraStack(_deviation(target.A), _deviation(target.B)) for name, target in self.targets.items()
        }
        if hypernetwork is None:
            hypernetwork = build_task_hypernetwork(self.hypernetwork_config)
            if z_scores:
                self._fit_range(hypernetwork)
        self.hypernetwork = hypernetwork.to(base.device).train()

    @property
    def module(self) -> TaskHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`: some tasks, with one description each."""
        rng = random.Random(f"{self.config.seed}/{batch}")
        chosen = self._choose(rng, batch)
        texts = [rng.choice(self.descriptions[self.names[i]]) for i in chosen]
        loss, error = self._error(chosen, texts)
        return BatchLoss(loss, {"mean_absolute_error": error}, 0)

    def evaluate(self) -> dict[str, float]:
        """Compute the mean absolute error over the library, with the first description of each task."""
        self.hypernetwork.eval()
        errors, size = [], self.config.tasks_per_batch
        for start in range(0, len(self.names), size):
            chosen = list(range(start, min(start + size, len(self.names))))
            _, error = self._error(chosen, [self.descriptions[self.names[i]][0] for i in chosen])
            errors += [error] * len(chosen)
        self.hypernetwork.train()
        return {"mean_absolute_error": sum(errors) / len(errors)}

    def score(self, heldout: Mapping[str, float]) -> float:
        """Return the negated mean absolute error."""
        return -heldout["mean_absolute_error"]

    def save_best(self, folder: Path) -> None:
        """Save the hypernetwork with its config to `folder`."""
        trained = {"num_training_tasks": len(self.names), "published_chat": self.in_published_chat}
        TEXT_TO_LORA.save(folder, self.hypernetwork_config.model_copy(update=trained), self.hypernetwork)

    def _choose(self, rng: random.Random, batch: int) -> list[int]:
        size = min(self.config.tasks_per_batch, len(self.names))
        if self.config.task_order == "random":
            return rng.sample(range(len(self.names)), size)
        epoch, index = divmod(batch, math.ceil(len(self.names) / size))
        order = random.Random(f"{self.config.seed}/epoch/{epoch}").sample(range(len(self.names)), len(self.names))
        return order[index * size : (index + 1) * size]

    def _fit_range(self, hypernetwork: TaskHypernetwork) -> None:
        """Store mean and deviation of each weight over the library, so that the heads generate z-scores."""
        output_range = hypernetwork.output_range
        assert output_range.mean is not None and output_range.deviation is not None
        output_range.mean.fill({name: LoraStack(t.A.mean(0), t.B.mean(0)) for name, t in self.targets.items()})
        output_range.deviation.fill({name: LoraStack(d.A.cpu(), d.B.cpu()) for name, d in self.deviations.items()})

    def _error(self, chosen: list[int], texts: list[str]) -> tuple[Tensor, float]:
        """Loss, and the mean absolute error of A and B or of their product in its own unit."""
        generated = self.hypernetwork(torch.stack([self.embeddings[text] for text in texts]))
        targets = {name: LoraStack(t.A[chosen], t.B[chosen]) for name, t in self.targets.items()}
        loss, error = reconstruction_loss(self.config, generated.weights, targets, self.deviations)
        return loss + generated.encoder_loss, error.item()


def reconstruction_loss(
    config: ReconstructionTrainingConfig,
    generated: Mapping[str, LoraStack],
    targets: Mapping[str, LoraStack],
    deviations: Mapping[str, LoraStack],
) -> tuple[Tensor, Tensor]:
    """Compare generated LoRAs with those of a library.

    Args:
        config: the run.
        generated: module -> LoRAs of some tasks.
        targets: module -> the library's LoRAs of these tasks.
        deviations: module -> standard deviation of each weight over the library.

    Returns:
        The loss, and the mean absolute error of A and B or of their product in its own unit.
    """
    losses, errors = [], []
    for name, weights in generated.items():
        target, deviation = targets[name], deviations[name]
        if config.target == "z_scores":
            scores_A, scores_B = (weights.A - target.A) / deviation.A, (weights.B - target.B) / deviation.B
            losses.append((scores_A.abs().mean() + scores_B.abs().mean()) / 2)
            with torch.no_grad():
                errors.append((F.l1_loss(weights.A, target.A) + F.l1_loss(weights.B, target.B)) / 2)
        else:
            error = F.l1_loss(weights.B @ weights.A, target.B @ target.A)
            losses.append(error * config.delta_w_scaling)
            errors.append(error.detach())
    return torch.stack(losses).mean(), torch.stack(errors).mean()


def _stack(library: Library, config: TaskConfig, base: BaseLM) -> dict[str, LoraStack]:
    """Stack the weights of all tasks, by module."""
    adapters = list(library.adapters.values())
    adapters[0].check_base(base)  # a library's adapters share base, modules, rank and scaling
    wanted = {(layer, module.name) for layer in config.layers for module in config.modules}
    first = adapters[0]
    if (
        set(first.weights) != wanted
        or first.rank != config.rank
        or abs(first.scaling(min(wanted)) - config.scaling) > 1e-6
    ):
        raise TrainingError(
            "the library has other modules, blocks, rank or scaling than the hypernetwork; set hypernetwork.modules, "
            "rank, lora_alpha and use_rslora to those it was trained with"
        )

    def stack(module: str, part: str) -> Tensor:
        rows = [torch.stack([getattr(a.weights[layer, module], part) for layer in config.layers]) for a in adapters]
        return torch.stack(rows).float().to(base.device)

    return {m.name: LoraStack(stack(m.name, "A"), stack(m.name, "B")) for m in config.modules}


def _deviation(weights: Tensor) -> Tensor:
    """Standard deviation of each weight over the tasks: `[tasks, ..]` -> `[..]`."""
    return weights.std(0, correction=min(1, len(weights) - 1)) + DEVIATION_FLOOR
