"""Fit examples of a task into its adapter in closed form, so that the prompt need not show them.

The adapter gets further rows on `down_proj` of the upper third of the blocks. Their `A` spans the inputs of these
layers at the tokens of the examples' answers. Their `B` is solved for by `fit_answers`: a kernel regression that needs
a few forward passes of the examples, and no gradient of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lorify.adapters import Adapter, LoraPair, merge_adapters
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.hypernets.refinement.least_squares import fit_answers, target_inputs
from lorify.hypernets.refinement.task_examples import TaskExample, check_examples, training_example

MODULE = "down_proj"
MAX_RANK = 128
"""Most rows that are added to a block; of more inputs, these many principal directions are spanned."""
ROUNDS = 6
DAMPING = 0.1
"""Ten times that of study: a few examples say little about other inputs."""


def fit_examples(base: BaseLM, adapter: Adapter, examples: Sequence[TaskExample], *, prompts: PromptBuilder) -> Adapter:
    """Fit examples into the adapter of a task.

    Args:
        base: the base.
        adapter: the adapter of the description.
        examples: inputs with the right answers; without any, the adapter is returned.
        prompts: builds the prompts as when the adapter is used.

    Returns:
        The adapter with further rows. Its provenance records the number of examples.

    Raises:
        ContextError: if examples contradict each other, or one is longer than the base's window.
        BaseModelError: if the base has no `down_proj`.
    """
    if not examples:
        return adapter
    check_examples(examples)
    prepared = [training_example(base, example, prompts) for example in examples]
    keys = [(layer, MODULE) for layer in range(base.num_layers * 2 // 3, base.num_layers)]
    widths = {key: base.linear(*key).out_features for key in keys}
    rows = {key: _span(inputs) for key, inputs in target_inputs(base, prepared, adapter, keys).items()}
    rank = max(len(A) for A in rows.values())
    start = Adapter(
        {key: LoraPair(A, A.new_zeros(widths[key], len(A))) for key, A in rows.items()}, float(rank), adapter.provenance
    )
    fitted = fit_answers(base, prepared, start, beside=adapter, rounds=ROUNDS, damping=DAMPING)
    provenance = adapter.provenance.model_copy(update={"num_examples": len(examples)})
    return replace(merge_adapters([(adapter, 1.0), (fitted, 1.0)]).to(base.dtype), provenance=provenance)


def _span(inputs: Tensor) -> Tensor:
    """Orthonormal rows that span inputs `[targets, d_in]`, or their principal directions if there are many."""
    return torch.linalg.svd(inputs, full_matrices=False).Vh[:MAX_RANK].contiguous()
