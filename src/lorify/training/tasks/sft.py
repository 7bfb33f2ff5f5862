"""Training of a task hypernetwork through the frozen base (SFT): descriptions in, answers to instances out.

Source: Text-to-LoRA (arXiv 2506.06105), section 3.3 and appendix: several tasks a batch, one of many descriptions for
each, label smoothing, NEFTune noise, the mean square of what is generated. Ours packs the instances of a description
into one row, so that its adapter is written once and the chat's own tokens are read once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.adapters.storage import load_adapter
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.descriptions import DescriptionEncoder, load_description_encoder
from lorify.data.tasks.schema import Task
from lorify.errors import TrainingError
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.config import TaskConfig, task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import task_lora_batch
from lorify.hypernets.text_to_lora.training_config import TaskOptimization, TaskSettings, TaskTrainingConfig
from lorify.hypernets.training_config import LoraSettings
from lorify.training.engine.losses import answer_logits, cross_entropy_per_token, mean_per_segment
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import Segment, pack_rows
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskBatch, TaskSampler, prepare_tasks

DESCRIPTIONS_AT_ONCE = 64


def prepare_task(config: TaskTrainingConfig, preparation: Preparation) -> TaskObjective:
    """Read tasks, base and description encoder, embed all descriptions, and put the objective together.

    Raises:
        LorifyError: if something of it cannot be read.
    """
    train, unseen = prepare_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    encoder = load_description_encoder(config.hypernetwork.embedder, base=base, device=base.device)
    samplers = task_samplers(config, base, train, unseen)
    texts = list(dict.fromkeys(text for sampler in samplers.values() for text in sampler.descriptions))
    return TaskObjective(config, base, encoder, samplers=samplers, embeddings=embed(encoder, texts, preparation))


def load_task_base(name: str, preparation: Preparation) -> BaseLM:
    """The base, made ready for short rows.

    Raises:
        BaseModelError: if it cannot be loaded.
    """
    base = preparation.load_base(name)
    if base.device.type == "cpu":  # the fused attention's backward pass takes five times as long there
        base.model.set_attn_implementation("eager")
    return base


def task_samplers(
    config: TaskTrainingConfig | SystemMessageTrainingConfig,
    base: BaseLM,
    train: Sequence[Task],
    unseen: Sequence[Task],
) -> dict[str, TaskSampler]:
    """What a run draws from: `train`, held-out instances of those tasks (`seen`), and of other families (`unseen`)."""
    samplers = {
        "train": TaskSampler(config.data, base, train, seed=config.seed),
        "seen": TaskSampler(config.data, base, train, seed=config.seed, heldout=True),
    }
    if unseen:
        samplers["unseen"] = TaskSampler(config.data, base, unseen, seed=config.seed, heldout=True)
    return samplers


def embed(encoder: DescriptionEncoder, texts: Sequence[str], preparation: Preparation) -> dict[str, Tensor]:
    """Embedding `[e]` of each text."""
    embedded: dict[str, Tensor] = {}
    with preparation.counting("embedding", "descriptions") as advance:
        for start in range(0, len(texts), DESCRIPTIONS_AT_ONCE):
            group = texts[start : start + DESCRIPTIONS_AT_ONCE]
            embedded |= zip(group, encoder.encode(group).unbind(0), strict=True)
            advance(len(group), len(texts))
    return embedded


def adapted_layers(shape: LoraSettings, base: BaseLM) -> tuple[int, ...]:
    """Blocks that a shape adapts in a base.

    Raises:
        TrainingError: if there is none.
    """
    last = base.num_layers - 1 if shape.last_layer is None else min(shape.last_layer, base.num_layers - 1)
    if shape.first_layer > last:
        raise TrainingError(
            f"no block is adapted: first_layer is {shape.first_layer}, and the last of base {base.name} is {last}"
        )
    return tuple(range(shape.first_layer, last + 1))


def hypernetwork_shape(shape: TaskSettings, base: BaseLM, encoder: DescriptionEncoder, **fields: object) -> TaskConfig:
    """The hypernetwork that a run trains, for the base and the encoder it is given."""
    return task_config(
        base,
        encoder,
        size=shape.size,
        modules=shape.modules,
        layers=adapted_layers(shape, base),
        rank=shape.rank,
        lora_alpha=shape.lora_alpha,
        use_rslora=shape.use_rslora,
        task_encoder=shape.task_encoder,
        num_codes=shape.num_codes,
        latent_size=shape.latent_size,
        head_input_size=shape.head_input_size,
        **fields,
    )


def load_start(folder: Path, base: BaseLM, encoder: DescriptionEncoder) -> tuple[TaskConfig, TaskHypernetwork]:
    """The task hypernetwork that a run starts from.

    Raises:
        HypernetworkError: if it is missing or damaged.
        TrainingError: if it is for another base or embedder.
    """
    shape, hypernetwork = TEXT_TO_LORA.load(folder)
    if (shape.base_digest, shape.embedder_digest) != (base.digest, encoder.digest):
        raise TrainingError(
            f"init_from {folder} is for base {shape.base_name} and embedder {shape.embedder_name}, not for "
            f"{base.name} and {encoder.name}; give the ones it is for"
        )
    return shape, hypernetwork


@dataclass(frozen=True)
class RowScores:
    """Loss and exact match (all answer tokens right) of each instance `[segments]`, and tokens through the base."""

    loss: Tensor
    exact: Tensor
    num_tokens: int


def answer_rows(
    base: BaseLM,
    rows: Sequence[Sequence[Segment]],
    lora: LoraBatch,
    *,
    bf16: bool,
    loss_per_segment: Callable[[Tensor, Tensor, int], Tensor] = mean_per_segment,
    label_smoothing: float = 0.0,
    noise_alpha: float = 0.0,
) -> RowScores:
    """Answer the instances of each row with its adapter; every instance counts the same, however long its answer.

    Args:
        base: the base.
        rows: the instances of each row.
        lora: updates of the rows.
        bf16: compute in bfloat16.
        loss_per_segment: from the loss of each answer token, its segment and the number of these.
        label_smoothing: share of the target that is spread over all tokens.
        noise_alpha: see `answer_logits`.
    """
    packed = pack_rows(rows).to(base.device)
    with torch.autocast(base.device.type, dtype=torch.bfloat16, enabled=bf16):
        logits = answer_logits(base, packed, lora, noise_alpha=noise_alpha)
    per_token = cross_entropy_per_token(logits, packed.targets, label_smoothing=label_smoothing)
    num_segments = sum(map(len, rows))
    wrong = (logits.argmax(-1) != packed.targets).float()
    exact = (mean_per_segment(wrong, packed.segment, num_segments) == 0).float()
    return RowScores(loss_per_segment(per_token, packed.segment, num_segments), exact, packed.input_ids.numel())


def score_rows(
    base: BaseLM, rows: Sequence[Sequence[Segment]], lora: LoraBatch, optimization: TaskOptimization, *, training: bool
) -> RowScores:
    """As `answer_rows`, with smoothing and noise where it is training."""
    return answer_rows(
        base,
        rows,
        lora,
        bf16=optimization.bf16,
        label_smoothing=optimization.label_smoothing if training else 0.0,
        noise_alpha=optimization.neftune_alpha if training else 0.0,
    )


def mean_square(weights: Mapping[str, LoraStack]) -> Tensor:
    """Mean squares of A and of B, summed over the modules."""
    return torch.stack([s.A.square().mean() + s.B.square().mean() for s in weights.values()]).sum()


def average_scores(parts: Mapping[str, Sequence[RowScores]]) -> dict[str, float]:
    """Mean loss and exact match by name."""
    found: dict[str, float] = {}
    for name, scores in parts.items():
        found[f"loss/{name}"] = torch.cat([s.loss for s in scores]).mean().item()
        found[f"exact/{name}"] = torch.cat([s.exact for s in scores]).mean().item()
    return found


def evaluate_heldout(
    samplers: Mapping[str, TaskSampler], num_batches: int, score: Callable[[TaskBatch], RowScores]
) -> dict[str, float]:
    """Mean loss and exact match over the first batches of every sampler but `train`, by its name."""
    heldout = {name: sampler for name, sampler in samplers.items() if name != "train"}
    return average_scores({name: [score(s.build(n)) for n in range(num_batches)] for name, s in heldout.items()})


class TaskObjective:
    """Instances of tasks, answered by the base with the adapter that the hypernetwork writes for a description."""

    def __init__(
        self,
        config: TaskTrainingConfig,
        base: BaseLM,
        encoder: DescriptionEncoder,
        *,
        samplers: Mapping[str, TaskSampler],
        embeddings: Mapping[str, Tensor],
    ) -> None:
        """A new hypernetwork, or that of `config.init_from`."""
        self.config, self.base, self.samplers = config, base, samplers
        self.embeddings = {text: embedding.to(base.device) for text, embedding in embeddings.items()}
        torch.manual_seed(config.seed)
        if config.init_from is not None:
            self.shape, hypernetwork = load_start(config.init_from, base, encoder)
        elif config.multi_task_lora is None:
            self.shape = hypernetwork_shape(config.hypernetwork, base, encoder)
            hypernetwork = build_task_hypernetwork(self.shape)
        else:
            # Heads without biases start at nothing, so that training begins at the LoRA for all tasks.
            offset = "learned" if config.learned_offset else "fixed"
            self.shape = hypernetwork_shape(config.hypernetwork, base, encoder, offset=offset, head_bias=False)
            hypernetwork = build_task_hypernetwork(self.shape)
            fill_offset(hypernetwork, self.shape, load_adapter(config.multi_task_lora), base)
        self.hypernetwork = hypernetwork.to(base.device).train()

    @property
    def module(self) -> TaskHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`."""
        optimization = self.config.optimization
        step = self.samplers["train"].build(batch)
        generated = self.hypernetwork(self._embedded(step))
        scores = score_rows(
            self.base, step.rows, task_lora_batch(self.shape, generated.weights), optimization, training=True
        )
        answers = scores.loss.mean()
        size = mean_square(generated.weights)
        total = answers + optimization.l2_weight * size + generated.encoder_loss
        metrics = {
            "loss/answers": answers.item(),
            "mean_square": size.item(),
            "exact/train": scores.exact.mean().item(),
        }
        return BatchLoss(total, metrics, scores.num_tokens)

    def evaluate(self) -> dict[str, float]:
        """Loss and exact match with unseen descriptions: on trained tasks (`seen`) and on other families (`unseen`)."""
        self.hypernetwork.eval()

        def score(step: TaskBatch) -> RowScores:
            lora = task_lora_batch(self.shape, self.hypernetwork(self._embedded(step)).weights)
            return score_rows(self.base, step.rows, lora, self.config.optimization, training=False)

        found = evaluate_heldout(self.samplers, self.config.evaluation_batches, score)
        self.hypernetwork.train()
        return found

    def score(self, heldout: Mapping[str, float]) -> float:
        """Exact match on trained tasks: what is measured on at the end (`unseen`) must not choose what is measured."""
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork."""
        trained = {"num_training_tasks": len(self.samplers["train"].tasks)}
        TEXT_TO_LORA.save(folder, self.shape.model_copy(update=trained), self.hypernetwork)

    def _embedded(self, step: TaskBatch) -> Tensor:
        return torch.stack([self.embeddings[text] for text in step.descriptions])  # [rows, e]


def fill_offset(hypernetwork: TaskHypernetwork, shape: TaskConfig, adapter: Adapter, base: BaseLM) -> None:
    """Put a LoRA for all tasks into the hypernetwork's offset.

    Raises:
        AdapterError: if it is for another base.
        TrainingError: if it adapts other linear layers, or with another rank or scaling.
    """
    adapter.check_base(base)
    wanted = {(layer, module.name) for layer in shape.layers for module in shape.modules}
    ranks = {pair.rank for pair in adapter.weights.values()}
    if (
        set(adapter.weights) != wanted
        or ranks != {shape.rank}
        or abs(adapter.lora_alpha / shape.rank - shape.scaling) > 1e-6
    ):
        raise TrainingError(
            "multi_task_lora has other modules, blocks, rank or scaling than the hypernetwork; train it with the same "
            "shape (kind lora, shared true)"
        )
    assert hypernetwork.output_range.offset is not None
    stacks = {
        module.name: LoraStack(
            torch.stack([adapter.weights[layer, module.name].A.float() for layer in shape.layers]),
            torch.stack([adapter.weights[layer, module.name].B.float() for layer in shape.layers]),
        )
        for module in shape.modules
    }
    hypernetwork.output_range.offset.fill(stacks)
