"""Estimates of a run: parameters, memory and time. Each kind of run has its own function for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

ACCELERATOR_FLOPS = 990e12
"""Dense bfloat16 operations a second of one H100 or H200, as NVIDIA states them."""
UTILIZATION = 0.4
"""Share of `ACCELERATOR_FLOPS` that training usually reaches."""


@dataclass(frozen=True)
class DryRun:
    """Estimates for one process; the fields are those of `--json`.

    Attributes:
        base_parameters: parameters of the frozen base.
        hypernetwork_parameters: parameters that are trained.
        weights_bytes: the base (if it is sharded, one process's part of it), and the context encoder if it is another
            model or quantized.
        training_state_bytes: the hypernetwork with its gradients and optimizer state.
        activation_bytes: what the backward pass needs of a full batch.
        training_bytes: the sum of these three.
        generation_bytes: base, hypernetwork, and what generating the adapter of one chunk takes, block by block.
        flops_a_step: operations of one process in a step, accumulation included.
        reading_seconds_a_step: time to read stored data, on one CPU core.
        seconds_a_step: on an accelerator that reaches `UTILIZATION` of `ACCELERATOR_FLOPS`, with reading.
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
