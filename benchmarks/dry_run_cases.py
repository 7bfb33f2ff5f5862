"""Runs of each kind whose steps `dry_runs.py` measures, and their estimates for batches of the same size."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.hypernets.associative.kind import save_associative
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.relevance import Relevance
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.library import Library, save_library
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskTrainingConfig,
)
from lorify.training.associative.batches import StepBuilder
from lorify.training.associative.dry_run import dry_run_associative
from lorify.training.associative.initialization import hypernetwork_config
from lorify.training.associative.objective import AssociativeObjective
from lorify.training.associative.step_size import measure_step
from lorify.training.context_sizes import ContextSize
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.objective import PerceiverObjective
from lorify.training.dry_run import DryRun
from lorify.training.engine.objective import Objective
from lorify.training.engine.state_cache import StateCache
from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.in_prompt.dry_run import BatchSize, dry_run_prompt
from lorify.training.in_prompt.objective import prepare_prompt
from lorify.training.lora_weights import copy_to_adapter, new_table
from lorify.training.preparation import Preparation
from lorify.training.reader.batches import ContextSampler
from lorify.training.reader.dry_run import dry_run_reader
from lorify.training.reader.objective import ReaderObjective
from lorify.training.tasks.dry_run import dry_run_lora, dry_run_reconstruction, dry_run_task
from lorify.training.tasks.lora import LoraObjective, prepare_loras
from lorify.training.tasks.reconstruction import ReconstructionObjective, prepare_reconstruction
from lorify.training.tasks.sft import prepare_task
from lorify.training.tasks.system_prompt import prepare_system_message
from lorify.training.tasks.system_prompt_dry_run import dry_run_system_message

Run = tuple[Callable[[], Objective], Callable[[Objective], DryRun]]
"""Builds the objective of a run, and estimates it for a batch of the size that the objective draws first."""


def load(name: str) -> BaseLM:
    """Load a base in bfloat16, on the CPU."""
    return load_base(name, dtype=torch.bfloat16, device="cpu")


@contextmanager
def silent(_what: str, _unit: str):
    """Show no progress."""
    yield lambda _done, _total: None


def prepared(prepare: Callable, config: object) -> Objective:
    """Build an objective as `lorify train` does."""
    return prepare(config, Preparation(Path(), load, silent))


def perceiver_run(base: str, tokens: int) -> Run:
    """A run that trains a Perceiver, on documents of facts."""
    document = {
        "base": base,
        "hypernetwork": {"latent_size": 256, "num_blocks": 4, "num_heads": 8, "num_kv_heads": 2, "head_size": 64},
        "data": {"niah": 0, "facts": 1, "batch_context_tokens": tokens, "batch_question_tokens": tokens,
                 "questions_per_context": 3},
        "optimization": {"loss": "cross_entropy", "bf16": True},
    }  # fmt: skip

    def build() -> Objective:
        return PerceiverObjective(PerceiverTrainingConfig.model_validate(document), load(base))

    def estimate(objective: Objective) -> DryRun:
        assert isinstance(objective, PerceiverObjective)
        rows = objective.train_batches.build(0)
        contexts, questions = (sum(getattr(row, f"num_{k}_tokens") for row in rows) for k in ("context", "question"))
        document["data"] |= {"batch_context_tokens": contexts, "batch_question_tokens": questions}
        answers = sum(len(segment.answer) for row in rows for segment in row.segments)
        return dry_run(PerceiverTrainingConfig.model_validate(document), answer_share=answers / questions)

    return build, estimate


def task_run(base: str, tokens: int) -> Run:
    """A run that trains a task hypernetwork."""
    shape = {"size": "L", "modules": ["q_proj", "v_proj"]}
    return _instances_run(TaskTrainingConfig, prepare_task, dry_run_task, base, tokens, shape)


def system_message_run(base: str, tokens: int) -> Run:
    """A run that trains a hypernetwork which replaces the system message."""
    return _instances_run(SystemMessageTrainingConfig, prepare_system_message, dry_run_system_message, base, tokens, {})


def _instances_run(
    config_type: type, prepare: Callable, estimated: Callable, base: str, tokens: int, shape: dict
) -> Run:
    document = {
        "base": base,
        "lora" if config_type is LoraTrainingConfig else "hypernetwork": shape,
        "data": {"tasks_per_batch": 4, "instances_per_description": 1, "max_instance_tokens": max(40, tokens // 4)},
        "optimization": {"bf16": True},
    }

    def estimate(objective: Objective) -> DryRun:
        is_lora = isinstance(objective, LoraObjective)
        sampler = objective.train if is_lora else objective.samplers["train"]  # pyright: ignore[reportAttributeAccessIssue]
        step = sampler.build(0)
        longest = max(sum(len(s.prompt) + len(s.answer) for s in row) for row in step.rows)
        answers = sum(len(segment.answer) for row in step.rows for segment in row)
        data = document["data"] | {"max_instance_tokens": longest}
        share = answers / (longest * len(step.rows))
        return estimated(config_type.model_validate(document | {"data": data}), answer_share=share)

    return lambda: prepared(prepare, config_type.model_validate(document)), estimate


def lora_run(base: str, tokens: int) -> Run:
    """A run that trains a LoRA for each task."""
    shape = {"modules": ["q_proj", "v_proj"]}
    return _instances_run(LoraTrainingConfig, prepare_loras, dry_run_lora, base, tokens, shape)


def reconstruction_run(base: str, tokens: int, target: str = "z_scores") -> Run:
    """A run that reconstructs a library of four random LoRAs."""
    del tokens
    shape = {"modules": ["q_proj", "v_proj"], "embedder": "base"}
    folder = Path(tempfile.mkdtemp()) / "library"
    config = ReconstructionTrainingConfig.model_validate(
        {"base": base, "library": str(folder), "target": target, "tasks_per_batch": 4, "hypernetwork": shape,
         "optimization": {"bf16": True}}
    )  # fmt: skip

    def build() -> Objective:
        loaded, settings = load(base), config.hypernetwork
        layers = range(loaded.num_layers)
        tables = {f"task {seed}": new_table(settings, loaded, layers, seed) for seed in range(4)}
        for table in tables.values():
            for weights in table.parameters():
                nn.init.normal_(weights)
        adapters = {name: copy_to_adapter(settings, layers, table, loaded, name) for name, table in tables.items()}
        save_library(Library(adapters, {name: (f"Do {name}.",) for name in tables}), folder)
        return prepared(prepare_reconstruction, config)

    def estimate(objective: Objective) -> DryRun:
        assert isinstance(objective, ReconstructionObjective)
        stated = dry_run_reconstruction(config)
        stacks = [*objective.targets.values(), *objective.deviations.values()]
        before = sum(part.nbytes for stack in stacks for part in (stack.A, stack.B))
        return replace(stated, activation_bytes=stated.activation_bytes - before)

    return build, estimate


def prompt_run(base: str, tokens: int) -> Run:
    """A run that trains a LoRA with the document in the prompt; a document has its own length."""
    del tokens
    config = PromptTrainingConfig.model_validate(
        {"base": base, "data": {"facts": 1, "questions_per_context": 2}, "optimization": {"bf16": True}}
    )

    def estimate(objective: Objective) -> DryRun:
        read, answered = _sizes_of_calls(objective)
        return dry_run_prompt(config, size=BatchSize(read[0], read[1], answered // read[0]))

    return lambda: prepared(prepare_prompt, config), estimate


def _sizes_of_calls(objective: Objective) -> tuple[tuple[int, int], int]:
    """Rows and tokens that the base reads in a step, and the number of tokens whose logits it computes."""
    base = cast(BaseLM, objective.base)  # pyright: ignore[reportAttributeAccessIssue]
    read: list[tuple[int, int]] = []
    answered: list[int] = []
    head = cast(nn.Module, base.model.get_output_embeddings())
    handles = [
        base.decoder.register_forward_hook(lambda _m, _a, output: read.append(output.last_hidden_state.shape[:2])),
        head.register_forward_hook(lambda _m, args, _o: answered.append(len(args[0]))),
    ]
    with torch.no_grad():
        objective.loss(0)
    for handle in handles:
        handle.remove()
    return read[0], answered[0]


def associative_run(base: str, tokens: int) -> Run:
    """A run that trains an associative hypernetwork, on a needle context and a document of facts."""
    config = AssociativeTrainingConfig.model_validate(
        {
            "base": base,
            "hypernetwork": {"first_layer": 3, "last_layer": 9},
            "data": {"facts": 1, "niah": 1, "niah_min_tokens": tokens, "niah_max_tokens": tokens,
                     "questions_per_context": 3, "general_probability": 0},
            "optimization": {"bf16": True},
        }
    )  # fmt: skip

    def build() -> Objective:
        loaded = load(base)
        builder = StepBuilder(config, loaded, passages=[], general=[])
        return AssociativeObjective(config, loaded, train_steps=builder, heldout_steps=builder)

    def estimate(objective: Objective) -> DryRun:
        assert isinstance(objective, AssociativeObjective)
        return dry_run_associative(config, size=measure_step(objective.train_steps.build(0)))

    return build, estimate


def reader_run(base: str, tokens: int) -> Run:
    """A run that trains the reader of an associative hypernetwork, on documents of facts."""
    del tokens
    folder = Path(tempfile.mkdtemp())
    counts = {"facts": 4, "questions": 0, "niah": 0, "questions_per_context": 3, "negative_probability": 0}
    config = ReaderTrainingConfig.model_validate(
        {"base": base, "init_from": str(folder / "start"), "data": counts, "optimization": {"bf16": True}}
    )

    def build() -> Objective:
        loaded, relevance = load(base), Relevance(threshold=0.1, unseen_weight=5.0, weights={})
        shape = hypernetwork_config(AssociativeTrainingConfig(base=base), loaded)  # pyright: ignore[reportCallIssue]
        hypernetwork = AssociativeHypernetwork(shape)
        save_associative(folder / "start", shape, hypernetwork, relevance=relevance)
        states, sampler = StateCache(folder / "states.sqlite", base), ContextSampler(config, [], [])
        objective = ReaderObjective(config, loaded, shape, hypernetwork, relevance, states, sampler)
        objective.loss(0)  # the base reads the contexts
        return objective

    def estimate(objective: Objective) -> DryRun:
        assert isinstance(objective, ReaderObjective)
        drawn = objective.sampler.draw_generated(random.Random("0/reader/0"))
        contexts = [objective.contexts.load(*draw) for draw in drawn]
        sizes = [
            ContextSize(
                tokens=sum(len(chunk) - 1 for chunk in context.ids),
                questions=min(3, len(context.questions)),
                question_tokens=max(len(question.ids) for question in context.questions),
            )
            for context in contexts
        ]
        return dry_run_reader(config, groups=[sizes])

    return build, estimate


RUNS: dict[str, Callable[[str, int], Run]] = {
    "task": task_run,
    "lora": lora_run,
    "reconstruction": reconstruction_run,
    "reconstruction of products": partial(reconstruction_run, target="delta_w"),
    "system_message": system_message_run,
    "prompt": prompt_run,
    "reader": reader_run,
    "associative": associative_run,
    "perceiver": perceiver_run,
}
