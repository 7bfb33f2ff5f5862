"""Fit examples of a task into its adapter in closed form, so that the prompt need not contain them.

The adapter gets additional rows on `down_proj` in the upper third of the blocks. Their `A` spans the inputs of these
layers at the tokens of the examples' answers. Their `B` is solved for by `fit_answers`: a kernel regression that needs
a few forward passes of the examples and no gradient of the weights. If the adapter already gives all the answers,
nothing is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from lorify.adapters import Adapter, LoraPair, merge_adapters
from lorify.adapters.adapter import Key
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.hypernets.adapted_modules import DEFAULT_MODULE
from lorify.hypernets.adapter_training.least_squares import FitSettings, are_right, fit_answers, lay_out, target_inputs
from lorify.hypernets.adapter_training.training_examples import TrainingExample
from lorify.hypernets.task_refinement.task_examples import TaskExample, check_examples, training_example

MAX_TOKENS = 4096
"""Examples are fitted in order up to this many tokens in total, since the time grows with them."""
MAX_RANK = 128
"""Maximum number of rows added to a block; for more inputs, the rows span this many principal directions."""
SETTINGS = FitSettings(rounds=3, margin=7.0, max_change=1.0, damping=0.03)
"""More damping than in study, since a few examples say little about other inputs, and larger steps in fewer rounds. Six
rounds of smaller steps do no better on other inputs (docs/research-log.md, 2026-11-30)."""


def fit_examples(base: BaseLM, adapter: Adapter, examples: Sequence[TaskExample], *, prompts: PromptBuilder) -> Adapter:
    """Fit examples into the adapter of a task.

    Args:
        base: the base.
        adapter: the adapter of the description.
        examples: inputs with the right answers; if empty, the adapter is returned.
        prompts: builds the prompts as when the adapter is used.

    Returns:
        The adapter with additional rows, unless it gives all the answers already. Its provenance records the number
        of examples that were fitted: the first ones with at most `MAX_TOKENS` tokens in total, and at least one.

    Raises:
        ContextError: if examples contradict each other, or one is longer than the base's window.
    """
    if not examples:
        return adapter
    check_examples(examples)
    prepared = _within_limit([training_example(base, example, prompts) for example in examples])
    keys = _keys(base)
    runs = lay_out(base, prepared, keys)
    inputs = target_inputs(base, runs, adapter)
    provenance = adapter.provenance.model_copy(update={"num_examples": len(prepared), "follows": None})
    if are_right(base, runs):
        return replace(adapter, provenance=provenance)
    rows = {key: _span(own) for key, own in inputs.items()}
    rank = max(len(A) for A in rows.values())
    pairs = {key: LoraPair(A, A.new_zeros(base.hidden_size, len(A))) for key, A in rows.items()}
    start = Adapter(pairs, float(rank), adapter.provenance)
    fitted = fit_answers(base, prepared, start, keys=keys, beside=adapter, settings=SETTINGS, runs=runs)
    return replace(merge_adapters([(adapter, 1.0), (fitted, 1.0)]).to(base.dtype), provenance=provenance)


def _within_limit(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    ends = list(accumulate(len(example.ids) for example in examples))
    return [example for example, end in zip(examples, ends, strict=True) if end <= MAX_TOKENS] or [examples[0]]


def _keys(base: BaseLM) -> list[Key]:
    """The layers that get additional rows, in the upper third of the blocks.

    In a base without `down_proj`, the rows are added to another layer that writes to the hidden state.
    """
    writing = {layer: base.writing_modules(layer) for layer in range(base.num_layers * 2 // 3, base.num_layers)}
    has_module = any(DEFAULT_MODULE in names for names in writing.values())
    module = DEFAULT_MODULE if has_module else writing[base.num_layers - 1][0]
    return [(layer, module) for layer, names in writing.items() if module in names]


def _span(inputs: Tensor) -> Tensor:
    """Orthonormal rows that span inputs `[targets, d_in]`, or their principal directions if there are many."""
    return torch.linalg.svd(inputs, full_matrices=False).Vh[:MAX_RANK].contiguous()
