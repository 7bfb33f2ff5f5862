"""Training of a hypernetwork that puts descriptions into the place of the chat's system message.

What follows descriptions is learned, and the soft tokens of their embeddings; what writes them is solved for, once,
from what enters the base's layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.description_text import DescriptionWarning
from lorify.contexts.descriptions import DescriptionEncoder, load_description_encoder
from lorify.errors import TrainingError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.description_reader import FIRST_SLOT, DescriptionReader, most_common_tokens
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.system_prompt.network import WRITTEN_MODULE, SystemMessageHypernetwork
from lorify.hypernets.system_prompt.slots import find_slots, fit_slots
from lorify.hypernets.system_prompt.training_config import SystemMessageSettings, SystemMessageTrainingConfig
from lorify.training.engine.losses import answer_loss_per_segment
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import pack_rows
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskBatch, TaskSampler, prepare_tasks
from lorify.training.tasks.sft import (
    RowScores,
    adapted_layers,
    answer_rows,
    evaluate_heldout,
    load_task_base,
    task_samplers,
)

SAMPLE_BATCHES = 40


def prepare_system_message(config: SystemMessageTrainingConfig, preparation: Preparation) -> SystemMessageObjective:
    """Read tasks and base, and put the objective together.

    Raises:
        LorifyError: if something of it cannot be read, or the base's chats begin with no system message.
    """
    train, unseen = prepare_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    encoder = load_description_encoder(config.hypernetwork.embedder, base=base, device=base.device)
    return SystemMessageObjective(config, base, encoder, task_samplers(config, base, train, unseen))


class SystemMessageObjective:
    """Instances of tasks, answered by the base with the description in the place of the system message."""

    def __init__(
        self,
        config: SystemMessageTrainingConfig,
        base: BaseLM,
        encoder: DescriptionEncoder,
        samplers: Mapping[str, TaskSampler],
    ) -> None:
        """A new hypernetwork, or that of `config.init_from`; what answers to the system message is solved for.

        Raises:
            HypernetworkError: if the base's chats begin with no system message of their own, or `init_from` is missing
                or damaged.
            TrainingError: if there is no block to adapt above the written one, `init_from` is of another shape, or no
                slot is left for tokens.
        """
        self.config, self.base, self.samplers = config, base, samplers
        train = samplers["train"]
        torch.manual_seed(config.seed)
        self.shape = _shape(config.hypernetwork, base, encoder, train)
        self.hypernetwork = SystemMessageHypernetwork(self.shape)
        if config.init_from is None:
            self.hypernetwork.slot_A.copy_(_slots(base, self.shape, train))
        else:
            self.shape, self.hypernetwork = _load_start(config.init_from, self.shape)
        self.hypernetwork.to(base.device).train()
        self.reader = DescriptionReader(base, encoder, self.shape)

    @property
    def module(self) -> SystemMessageHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`."""
        scores = self._score(self.samplers["train"].build(batch), self.config.optimization.embedding_dropout)
        return BatchLoss(scores.loss.mean(), {"exact/train": scores.exact.mean().item()}, scores.num_tokens)

    def evaluate(self) -> dict[str, float]:
        """Loss and exact match with unseen descriptions: on trained tasks (`seen`) and on other families (`unseen`)."""
        return evaluate_heldout(self.samplers, self.config.evaluation_batches, self._score)

    def score(self, heldout: Mapping[str, float]) -> float:
        """Exact match on trained tasks: what is measured on at the end (`unseen`) must not choose what is measured."""
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork."""
        trained = {"num_training_tasks": len(self.samplers["train"].tasks)}
        SYSTEM_PROMPT.save(folder, self.shape.model_copy(update=trained), self.hypernetwork)

    def _score(self, step: TaskBatch, dropout: float = 0.0) -> RowScores:
        optimization = self.config.optimization
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DescriptionWarning)  # a drawn description may have hardly a common word
            read = self.reader.read(step.descriptions)
        if dropout:  # what the tokens say must count too
            kept = torch.rand(len(read.embeddings), 1) >= dropout
            read = replace(read, embeddings=read.embeddings * kept.to(read.embeddings))

        def loss(per_token: Tensor, segment: Tensor, num_segments: int) -> Tensor:
            return answer_loss_per_segment(per_token, segment, num_segments, optimization.first_token_share)

        return answer_rows(self.base, step.rows, self.hypernetwork(read), bf16=optimization.bf16, loss_per_segment=loss)


def _shape(
    shape: SystemMessageSettings, base: BaseLM, encoder: DescriptionEncoder, train: TaskSampler
) -> SystemMessageConfig:
    chat_start, num_slots = find_slots(base)
    if shape.embedded_slots >= num_slots:
        raise TrainingError(
            f"chats of base {base.name} begin with {num_slots} tokens that can be written over, and embedded_slots is "
            f"{shape.embedded_slots}; set it lower"
        )
    layers = adapted_layers(shape, base)
    if layers[0] <= shape.written_layer:
        raise TrainingError(
            f"first_layer {layers[0]} is not above written_layer {shape.written_layer}; what is below is not adapted"
        )
    return SystemMessageConfig(
        base_name=base.name,
        base_digest=base.digest,
        chat_start=chat_start,
        num_slots=num_slots,
        embedded_slots=shape.embedded_slots,
        embedder_name=encoder.name,
        embedder_digest=encoder.digest,
        embedding_size=encoder.size,
        filler=train.end_of_answer,
        written_layer=shape.written_layer,
        written_size=base.linear(shape.written_layer, WRITTEN_MODULE).in_features,
        hidden_size=base.hidden_size,
        layers=layers,
        modules=adapted_modules(base, layers, shape.modules),
        rank=shape.rank,
        lora_alpha=shape.lora_alpha,
        use_rslora=shape.use_rslora,
        # All at once, which is many times faster.
        common_tokens=most_common_tokens(base.tokenizer(train.descriptions, add_special_tokens=False)["input_ids"]),
    )


def _load_start(folder: Path, wanted: SystemMessageConfig) -> tuple[SystemMessageConfig, SystemMessageHypernetwork]:
    """The hypernetwork that a run starts from: it reads as it was trained to, whatever the run's tasks are."""
    shape, hypernetwork = SYSTEM_PROMPT.load(folder)
    data = {"common_tokens", "num_training_tasks"}
    if shape.model_dump(exclude=data) != wanted.model_dump(exclude=data):
        raise TrainingError(
            f"init_from {folder} is for another base or embedder, or of another shape, than the config asks for; set "
            "hypernetwork as in its config.json"
        )
    return shape, hypernetwork


@torch.no_grad()
def _slots(base: BaseLM, shape: SystemMessageConfig, train: TaskSampler) -> Tensor:
    """What answers to the system message's tokens `[k, f]` and hardly to what is said in some training batches."""
    layer = shape.written_layer

    def inputs(ids: Tensor, mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        seen = base.activations(ids, mask, layers=[layer], module=WRITTEN_MODULE, position_ids=positions)
        return seen.inputs[layer]  # [rows, tokens, f]

    at_start = inputs(torch.tensor([shape.chat_start], device=base.device))[0]
    others = []
    for batch in range(SAMPLE_BATCHES):
        rows = pack_rows(train.build(batch).rows).to(base.device)
        found = inputs(rows.input_ids, base.attention_mask(rows.attention_mask), rows.position_ids)
        others.append(found[rows.position_ids >= len(shape.chat_start)])
    end = FIRST_SLOT + shape.num_slots
    fixed = torch.cat([at_start[:FIRST_SLOT], at_start[end:]])
    return fit_slots(at_start[FIRST_SLOT:end], fixed, torch.cat(others))
