"""Trained weights in a run of one or several processes: a full copy in each, or split."""

from __future__ import annotations

from accelerate import Accelerator
from torch import nn

from lorify.training.engine.replicated_weights import ReplicatedWeights


def distribute_weights(module: nn.Module, accelerator: Accelerator, *, sharded: bool) -> ReplicatedWeights:
    """Distribute a module's trained weights over the processes of a run; a single process keeps all of them.

    Args:
        module: its parameters that require a gradient are trained.
        accelerator: the processes of the run.
        sharded: split weights and optimizer state over the processes, instead of one copy each.
    """
    if sharded and accelerator.num_processes > 1:
        # DTensor takes seconds to import, which a single process should avoid.
        from lorify.training.engine.sharded_weights import ShardedWeights

        return ShardedWeights(module, accelerator)
    return ReplicatedWeights(module, accelerator)
