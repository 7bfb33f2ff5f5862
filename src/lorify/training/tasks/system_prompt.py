"""Training of a hypernetwork that replaces the chat's system message by a description.

The LoRA that makes the base follow descriptions and the soft tokens are learned. The weights that write descriptions
over the system message are solved once, in closed form, from the inputs of the base's layer.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder, load_description_encoder
from lorify.contexts.descriptions.text import DescriptionWarning
from lorify.errors import TrainingError, first_line
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.description_reader import FIRST_SLOT, DescriptionReader, most_common_tokens
from lorify.hypernets.system_prompt.key_values import KeyValueWriter, save_writer
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.system_prompt.network import WRITTEN_MODULE, SystemMessageHypernetwork
from lorify.hypernets.system_prompt.slots import find_slots, fit_slots
from lorify.hypernets.system_prompt.solve_key_values import SampleChats, solve_key_values
from lorify.hypernets.system_prompt.training_config import SystemMessageSettings, SystemMessageTrainingConfig
from lorify.training.engine.losses import answer_loss_per_segment
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import Segment, pack_rows
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskBatch, TaskSampler
from lorify.training.tasks.scoring import RowScores, answer_rows, evaluate_heldout
from lorify.training.tasks.selection import select_tasks
from lorify.training.tasks.setup import adapted_layers, build_samplers, load_task_base

SAMPLE_BATCHES = 40
"""Training batches whose inputs must not be mistaken for the system message."""
KEY_VALUE_DESCRIPTIONS = 160
"""Least number of training descriptions from which the writer of keys and values is solved. A writer solved from 16
confuses users' texts with the system message (docs/research-log.md, 2026-12-01)."""
MAX_ECHOES = 3
"""Maximum number of pieces of the system message in a user's text in these batches."""


def prepare_system_message(config: SystemMessageTrainingConfig, preparation: Preparation) -> SystemMessageObjective:
    """Read the tasks, load the base and the description encoder, and build the objective.

    Raises:
        LorifyError: if tasks, base or description encoder cannot be read, or the base's chats have no system message.
    """
    train, unseen = select_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    encoder = load_description_encoder(config.hypernetwork.embedder, base=base, device=base.device)
    samplers = build_samplers(config.data, config.seed, base, train, unseen)
    return SystemMessageObjective(config, base, encoder, samplers)


class SystemMessageObjective:
    """Instances of tasks, answered by the base with the description in place of the system message."""

    def __init__(
        self,
        config: SystemMessageTrainingConfig,
        base: BaseLM,
        encoder: DescriptionEncoder,
        samplers: Mapping[str, TaskSampler],
    ) -> None:
        """Start with a new hypernetwork or the one at `config.init_from`.

        Args:
            config: the run.
            base: the frozen base.
            encoder: encoder of the descriptions.
            samplers: `train`, `seen`, and `unseen` if there are tasks of other families.

        Raises:
            HypernetworkError: if the base's chats have no default system message, or `init_from` is missing or damaged.
            TrainingError: if there is no block to adapt above `written_layer`, `init_from` has another config, or
                `embedded_slots` leaves no slot for tokens.
        """
        self.config, self.base, self.samplers = config, base, samplers
        train = samplers["train"]
        self._batches = PrefetchedBatches(train.build, base.device)
        torch.manual_seed(config.seed)
        self.hypernetwork_config = _build_config(config.hypernetwork, base, encoder, train)
        self.hypernetwork = SystemMessageHypernetwork(self.hypernetwork_config)
        if config.init_from is None:
            self.hypernetwork.slot_A.copy_(_solve_slots(base, self.hypernetwork_config, train))
        else:
            self.hypernetwork_config, self.hypernetwork = _load_start(config.init_from, self.hypernetwork_config)
        self.hypernetwork.to(base.device).train()
        self.reader = DescriptionReader(base, encoder, self.hypernetwork_config)

    @property
    def module(self) -> SystemMessageHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`."""
        step, seconds = self._batches.take(batch)
        scores = self._score(step, self.config.optimization.embedding_dropout)
        metrics = {"exact/train": scores.exact.mean().item()}
        return BatchLoss(scores.loss.mean(), metrics, scores.num_tokens, data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute loss and exact match with unseen descriptions: of trained tasks (`seen`) and others (`unseen`)."""
        return evaluate_heldout(self.samplers, self.config.evaluation_batches, self._score)

    def score(self, heldout: Mapping[str, float]) -> float:
        """Return exact match of trained tasks; `unseen` tasks must not select weights."""
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Save the hypernetwork with its config to `folder`."""
        trained = {"num_training_tasks": len(self.samplers["train"].tasks)}
        writer = self._solve_key_values()

        def write_more(saved: Path) -> None:
            if writer is not None:
                save_writer(writer, saved, hypernetwork_digest(saved))

        config = self.hypernetwork_config.model_copy(update=trained)
        SYSTEM_PROMPT.save(folder, config, self.hypernetwork, write_more=write_more)

    def _solve_key_values(self) -> KeyValueWriter | None:
        """Solve for the writer of keys and values; without one, the weights are worth saving too."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DescriptionWarning)  # as in `_score`
                return solve_key_values(self.base, self.hypernetwork, self.reader, self._sample_chats())
        except RuntimeError as error:  # out of memory, or a non-finite matrix
            warnings.warn(
                f"the hypernetwork is saved without what reads long descriptions whole ({first_line(error)}); they "
                "will lose their most common words",
                stacklevel=2,
            )
            return None

    def _sample_chats(self) -> Iterator[SampleChats]:
        """The first training batches, with pieces of the system message in the users' texts."""
        config = self.hypernetwork_config
        message = config.chat_start[FIRST_SLOT : FIRST_SLOT + config.num_slots]
        rng = random.Random(self.config.seed)
        num_descriptions = number = 0
        while num_descriptions < KEY_VALUE_DESCRIPTIONS:
            batch = self.samplers["train"].build(number)
            segments = [
                [_with_echoes(rng, each, message, len(config.chat_start)) for each in row] for row in batch.rows
            ]
            rows = pack_rows(segments).to(self.base.device)
            mask = self.base.attention_mask(rows.attention_mask)
            yield SampleChats(batch.descriptions, rows.input_ids, mask, rows.position_ids)
            num_descriptions += len(batch.descriptions)
            number += 1

    def _score(self, step: TaskBatch, dropout: float = 0.0) -> RowScores:
        optimization = self.config.optimization
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DescriptionWarning)  # generated descriptions may have few known words
            read = self.reader.read(step.descriptions)
        if dropout:  # so that the description's tokens are also used
            kept = torch.rand(len(read.embeddings), 1) >= dropout
            read = replace(read, embeddings=read.embeddings * kept.to(read.embeddings))

        def loss(per_token: Tensor, segment: Tensor, num_segments: int) -> Tensor:
            return answer_loss_per_segment(per_token, segment, num_segments, optimization.first_token_share)

        return answer_rows(
            self.base,
            step.rows,
            self.hypernetwork(read),
            bf16=optimization.computes_in_bf16(self.base.device),
            loss_per_segment=loss,
        )


def _with_echoes(rng: random.Random, segment: Segment, message: Sequence[int], start: int) -> Segment:
    """Insert pieces of the system message into the user's text, which must not be mistaken for the message itself.

    Args:
        rng: draws the pieces and their positions.
        segment: a chat.
        message: tokens of the system message.
        start: number of tokens that every chat begins with.
    """
    prompt = list(segment.prompt)
    for _ in range(rng.randint(0, MAX_ECHOES)):
        first, last = sorted(rng.sample(range(len(message) + 1), 2))
        at = rng.randint(start, len(prompt) - 1)
        prompt[at:at] = message[first:last]
    return replace(segment, prompt=tuple(prompt))


def _build_config(
    settings: SystemMessageSettings, base: BaseLM, encoder: DescriptionEncoder, train: TaskSampler
) -> SystemMessageConfig:
    chat_start, num_slots = find_slots(base)
    if settings.embedded_slots >= num_slots:
        raise TrainingError(
            f"the system message of base {base.name} has {num_slots} tokens, and embedded_slots is "
            f"{settings.embedded_slots}; set it lower"
        )
    layers = adapted_layers(settings, base.num_layers, base.name)
    if layers[0] <= settings.written_layer:
        raise TrainingError(
            f"first_layer {layers[0]} is not above written_layer {settings.written_layer}; set first_layer higher"
        )
    return SystemMessageConfig(
        base_name=base.name,
        base_digest=base.digest,
        chat_start=chat_start,
        num_slots=num_slots,
        embedded_slots=settings.embedded_slots,
        embedder_name=encoder.name,
        embedder_digest=encoder.digest,
        embedding_size=encoder.size,
        filler=train.tokenizer.end_of_answer,
        written_layer=settings.written_layer,
        written_size=base.linear(settings.written_layer, WRITTEN_MODULE).in_features,
        hidden_size=base.hidden_size,
        layers=layers,
        modules=adapted_modules(base, layers, settings.modules),
        rank=settings.rank,
        lora_alpha=settings.lora_alpha,
        use_rslora=settings.use_rslora,
        # One call is many times faster than one per description.
        common_tokens=most_common_tokens(base.tokenizer(train.descriptions, add_special_tokens=False)["input_ids"]),
    )


def _load_start(folder: Path, wanted: SystemMessageConfig) -> tuple[SystemMessageConfig, SystemMessageHypernetwork]:
    """The hypernetwork that a run starts from, with its own list of common tokens."""
    config, hypernetwork = SYSTEM_PROMPT.load(folder)
    data = {"common_tokens", "num_training_tasks"}
    if config.model_dump(exclude=data) != wanted.model_dump(exclude=data):
        raise TrainingError(
            f"init_from {folder} has another base, embedder or hypernetwork than the config; set hypernetwork as in "
            "its config.json"
        )
    return config, hypernetwork


@torch.no_grad()
def _solve_slots(base: BaseLM, config: SystemMessageConfig, train: TaskSampler) -> Tensor:
    """Solve for rows that respond to the system message's tokens `[k, f]` and barely to tokens of training batches."""
    layer = config.written_layer

    def inputs(ids: Tensor, mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        seen = base.activations(ids, mask, layers=[layer], module=WRITTEN_MODULE, position_ids=positions)
        return seen.inputs[layer]  # [rows, tokens, f]

    at_start = inputs(torch.tensor([config.chat_start], device=base.device))[0]
    others = []
    for batch in range(SAMPLE_BATCHES):
        rows = pack_rows(train.build(batch).rows).to(base.device)
        found = inputs(rows.input_ids, base.attention_mask(rows.attention_mask), rows.position_ids)
        others.append(found[rows.position_ids >= len(config.chat_start)])
    end = FIRST_SLOT + config.num_slots
    fixed = torch.cat([at_start[:FIRST_SLOT], at_start[end:]])
    return fit_slots(at_start[FIRST_SLOT:end], fixed, torch.cat(others))
