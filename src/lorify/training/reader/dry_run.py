"""Estimate what a run that trains a reader needs from its config alone; no weights are loaded.

The base reads every context once, before its first use. A step runs only the reader; its memory and operations are
measured by running the reader's code on tensors without memory (`lorify.training.engine.peak_memory`).

Shape letters as in `lorify.training.reader.objective`, and d the base's hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lorify.base.model import BaseLM
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.sources.niah import generate_niah_example
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.reader import NUM_MATCH_FEATURES, Reader
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.checkpoint import CONFIG_NAME
from lorify.training.associative.dry_run import meta_base
from lorify.training.associative.initialization import hypernetwork_config
from lorify.training.context_sizes import ContextSize, chunk_sizes, count_tokens, mean_size, passage_size
from lorify.training.dry_run import DryRun, estimate_run
from lorify.training.engine.meta_base import count_parameters, meta_model
from lorify.training.engine.peak_memory import measure_cost
from lorify.training.reader.losses import SpanTargets, answer_span_loss

PASSAGES = "questions"


def dry_run_reader(config: ReaderTrainingConfig, *, groups: Sequence[Sequence[ContextSize]] | None = None) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Args:
        config: the run. A hypernetwork that does not exist yet is assumed to have the default shape.
        groups: the contexts of a batch, which are read in two groups: generated ones and passages; None: the typical
            ones.

    Raises:
        BaseModelError: if the config of the base cannot be read.
        HypernetworkError: if `init_from` is damaged, or of another kind.
    """
    base = meta_model(config.base)
    sizes = _usual_contexts(config)
    network = _hypernetwork_config(config)
    chosen = groups or [
        [size for kind, (size, count) in sizes.items() if (kind == PASSAGES) == wanted for _ in range(count)]
        for wanted in (False, True)
    ]
    module = base.with_blocks(1)
    step = _Step.of(config, meta_base(module, config.base), network)
    cost = measure_cost(lambda: step.run(chosen), (module, step.hypernetwork))
    most = {kind: config.data.max_facts for kind in sizes} | {PASSAGES: config.data.max_passages}
    tokens = sum(most[kind] * size.read_tokens for kind, (size, count) in sizes.items() if count)
    assert step.hypernetwork.reader is not None
    trained = count_parameters(step.hypernetwork.reader)
    return estimate_run(
        config,
        base_parameters=base.num_parameters,
        trained=trained,
        activation_bytes=cost.peak_bytes,
        batch_flops=cost.flops,
        frozen_parameters=count_parameters(step.hypernetwork) - trained,
        flops_before=base.block_flops(network.layers[network.middle], tokens),
    )


def _hypernetwork_config(config: ReaderTrainingConfig) -> AssociativeConfig:
    """Config of the hypernetwork that gets the reader."""
    assert config.init_from is not None  # the config is checked
    if (config.init_from / CONFIG_NAME).exists():
        found = ASSOCIATIVE.load_config(config.init_from)
    else:  # in a recipe, the hypernetwork is often trained later
        base, default = meta_model(config.base), AssociativeTrainingConfig(base=config.base)  # pyright: ignore[reportCallIssue]
        found = hypernetwork_config(default, meta_base(base.module, config.base))
    return found.model_copy(update={"reader_width": config.width, "reader_finds_ends": True})


def _usual_contexts(config: ReaderTrainingConfig) -> dict[str, tuple[ContextSize, int]]:
    """Size and number of the contexts of each kind in a batch."""
    data, most = config.data, config.data.questions_per_context
    asked, unanswerable = 2 * most, data.unanswerable_questions

    def facts(rng: random.Random) -> Example:
        documents = rng.choice((1, 1, 1, 2))
        return generate_fact_example(
            rng, split="train", num_documents=documents, num_questions=asked, num_unanswerable=unanswerable
        )

    def portraits(rng: random.Random) -> Example:
        return generate_single_entity_example(rng, split="train", num_questions=asked, num_unanswerable=unanswerable)

    def needle(rng: random.Random) -> Example:
        length = (data.niah_min_tokens + data.niah_max_tokens) // 2
        return generate_niah_example(rng, length_tokens=length, count_tokens=count_tokens)

    return {
        "facts": (mean_size(facts, most), data.facts),
        "portraits": (mean_size(portraits, most), data.portraits),
        "niah": (mean_size(needle, most), data.niah),
        PASSAGES: (passage_size(data.max_context_chars, most), data.questions if data.questions_path else 0),
    }


@dataclass(frozen=True)
class _Step:
    """A training step on tensors without memory."""

    config: ReaderTrainingConfig
    base: BaseLM
    hypernetwork: AssociativeHypernetwork
    chunk_tokens: int

    @classmethod
    def of(cls, config: ReaderTrainingConfig, base: BaseLM, network: AssociativeConfig) -> _Step:
        with torch.device("meta"):
            hypernetwork = AssociativeHypernetwork(network)
            hypernetwork.requires_grad_(False)
            hypernetwork.reader = Reader(hidden_size=network.hidden_size, width=config.width, dropout=config.dropout)
        return cls(config, base, hypernetwork, network.chunk_tokens)

    def run(self, groups: Sequence[Sequence[ContextSize]]) -> None:
        """Run forward and backward pass, as `ReaderObjective.loss` does."""
        with torch.enable_grad():
            torch.cat([self._loss(group) for group in groups if group]).mean().backward()

    def _loss(self, contexts: Sequence[ContextSize]) -> Tensor:
        """Loss of each question of some contexts."""
        asked = [number for number, context in enumerate(contexts) for _ in range(context.questions)]
        others = round(self.config.data.negative_probability * len(asked)) if len(contexts) > 1 else 0
        question = torch.tensor([*range(len(asked)), *range(others)])
        context = torch.tensor(asked + asked[:others])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            documents = self._documents(contexts)
            questions = self._questions([contexts[number].question_tokens for number in asked])
            matches = torch.zeros(len(question), documents.shape[1], NUM_MATCH_FEATURES)
            mask = torch.ones(documents.shape[:2], dtype=torch.bool)
            question_mask = torch.ones(questions.shape[:2], dtype=torch.bool)
            assert self.hypernetwork.reader is not None
            logits = self.hypernetwork.reader(
                documents.index_select(0, context), mask[context],
                questions.index_select(0, question), question_mask[question], matches,
            )  # fmt: skip
        everywhere = torch.ones_like(mask[context])
        targets = SpanTargets(everywhere, everywhere, torch.zeros(everywhere.shape, dtype=torch.long))
        weight = self.config.belongs_weight
        return answer_span_loss(logits, mask[context], question, targets, len(asked), belongs_weight=weight)[0]

    def _documents(self, contexts: Sequence[ContextSize]) -> Tensor:
        """The reader's encoding of contexts `[contexts, T, w]`; chunks are encoded one by one."""
        chunks = [chunk_sizes(context.tokens, self.chunk_tokens) for context in contexts]
        lengths = [length for own in chunks for length in own]
        encoded = iter(self.hypernetwork.encode_documents(*self._inputs(len(lengths), max(lengths) + 1)))
        joined = [torch.cat([next(encoded)[:length] for length in own]) for own in chunks]
        return pad_sequence(joined, batch_first=True)

    def _questions(self, lengths: Sequence[int]) -> Tensor:
        """The reader's encoding of questions `[questions, J, w]`."""
        encoded = self.hypernetwork.encode_questions(*self._inputs(len(lengths), max(lengths) + 1))
        return pad_sequence([row[: length + 1] for row, length in zip(encoded, lengths, strict=True)], batch_first=True)

    def _inputs(self, count: int, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
        """States and output embeddings `[count, tokens, d]` and their mask."""
        states = torch.zeros(count, tokens, self.base.hidden_size, dtype=torch.bfloat16)
        outputs = self.base.output_embeddings(torch.zeros(count, tokens, dtype=torch.long))
        return states.float(), outputs.float(), torch.ones(count, tokens, dtype=torch.bool)
