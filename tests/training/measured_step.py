"""What a real training step allocates and computes."""

from collections.abc import Callable
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lorify.training.engine.objective import Objective
from lorify.training.engine.peak_memory import CPU_ATTENTION_FLOPS


def measure(run: Callable[[], object]) -> tuple[int, int]:
    """Peak of what PyTorch allocates in a run, in bytes, and its operations."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION_FLOPS) as operations:
        run()
    return max(accumulate(event.nbytes() for event in events)), operations.get_total_flops()


def measure_step(objective: Objective) -> tuple[int, int]:
    """The same of the forward and the backward pass of an objective's first batch."""
    for parameter in objective.module.parameters():  # gradients stay allocated, as in a run
        parameter.grad = torch.zeros_like(parameter)
    return measure(lambda: objective.loss(0).loss.backward())
