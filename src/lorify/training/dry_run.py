"""Estimates of a run: parameters, memory and time. Each kind of run has its own function."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from lorify.hypernets.training_config import TrainingConfig

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2
ACCELERATOR_FLOPS = 990e12
"""Dense bfloat16 operations per second of one H100 or H200, according to NVIDIA."""
UTILIZATION = 0.4
"""Share of `ACCELERATOR_FLOPS` that training typically reaches."""


@dataclass(frozen=True)
class DryRun:
    """Estimates for one process, with the fields of `--json`.

    Attributes:
        base_parameters: parameters of the frozen base.
        hypernetwork_parameters: parameters that are trained.
        weights_bytes: the base (if sharded, one process's part), the context encoder if it is another model or
            quantized, and untrained parts of the hypernetwork.
        training_state_bytes: the hypernetwork with its gradients and optimizer state.
        activation_bytes: activations of a full batch for the backward pass.
        training_bytes: the sum of these three.
        generation_bytes: base, hypernetwork, and memory to generate the adapter of one chunk, block by block.
        flops_a_step: operations of one process in a step, including accumulation.
        reading_seconds_a_step: time to read stored data, on one CPU core.
        seconds_a_step: on an accelerator that reaches `UTILIZATION` of `ACCELERATOR_FLOPS`, including reading.
        hours: of the whole run, with all its processes.
        num_processes: processes that the run is meant for.
    """

    base_parameters: int
    hypernetwork_parameters: int
    weights_bytes: int
    training_state_bytes: int
    activation_bytes: int
    training_bytes: int
    generation_bytes: int
    flops_a_step: float
    reading_seconds_a_step: float
    seconds_a_step: float
    hours: float
    num_processes: int

    def as_dict(self) -> dict[str, float]:
        """Return the fields, for JSON."""
        return asdict(self)


def estimate_run(
    config: TrainingConfig,
    *,
    base_parameters: int,
    trained: int,
    activation_bytes: int,
    batch_flops: float,
    generation_peak_bytes: int = 0,
    frozen_parameters: int = 0,
    flops_before: float = 0.0,
) -> DryRun:
    """Build the estimate of a run whose data is in memory before the first step.

    Args:
        config: the run.
        base_parameters: parameters of the frozen base, whose weights are in bfloat16.
        trained: number of trained parameters.
        activation_bytes: peak of a batch, without weights.
        batch_flops: operations of a batch.
        generation_peak_bytes: peak of generating an adapter, without weights.
        frozen_parameters: untrained float32 parameters, in addition to the base.
        flops_before: operations before the first step.
    """
    weights = BFLOAT16_BYTES * base_parameters + FLOAT32_BYTES * frozen_parameters
    state = 4 * FLOAT32_BYTES * trained  # weight, gradient and two moments
    flops = config.optimization.accumulation * batch_flops
    seconds = flops / (ACCELERATOR_FLOPS * UTILIZATION)
    before = flops_before / (ACCELERATOR_FLOPS * UTILIZATION)
    return DryRun(
        base_parameters=base_parameters,
        hypernetwork_parameters=trained,
        weights_bytes=weights,
        training_state_bytes=state,
        activation_bytes=activation_bytes,
        training_bytes=weights + state + activation_bytes,
        generation_bytes=weights + FLOAT32_BYTES * trained + generation_peak_bytes,
        flops_a_step=flops,
        reading_seconds_a_step=0.0,
        seconds_a_step=seconds,
        hours=(before + seconds * config.optimization.steps) / 3600,
        num_processes=1,
    )
