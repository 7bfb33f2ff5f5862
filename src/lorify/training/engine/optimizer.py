"""AdamW, its parameter groups and its learning rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from lorify.hypernets.training_config import Optimization
from lorify.training.engine.replicated_weights import ReplicatedWeights


def build_optimizer(weights: ReplicatedWeights, groups: list[dict[str, object]], settings: Optimization):
    """Build AdamW for distributed weights, with its schedule.

    Args:
        weights: the trained weights.
        groups: `parameter_groups` of the module, from before its weights were distributed.
        settings: the run's settings.
    """
    optimizer = torch.optim.AdamW(
        weights.optimized_groups(groups),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule_factor(step, settings))


def parameter_groups(module: nn.Module) -> list[dict[str, object]]:
    """Group a module's learned parameters for the optimizer: one group, and a second without weight decay if needed.

    The module's method `is_decayed(name)` decides; without it, all parameters decay.
    """
    is_decayed = getattr(module, "is_decayed", lambda _name: True)
    learned = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in learned if is_decayed(name)]
    others = [parameter for name, parameter in learned if not is_decayed(name)]
    return [{"params": decayed}, *([{"params": others, "weight_decay": 0.0}] if others else [])]


def schedule_factor(step: int, settings: Optimization) -> float:
    """Compute the relative learning rate of a step: linear warm-up, then the decay of `settings.schedule`.

    Args:
        step: number of the step, from 0.
        settings: warm-up, number of steps and schedule.

    Returns:
        From 0 to 1, relative to the peak.
    """
    return _SCHEDULES[settings.schedule](step, settings)


def _cosine(step: int, settings: Optimization) -> float:
    """Cosine decay to the final ratio; the first warm-up step is above 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    low = settings.final_learning_rate_ratio
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _linear(step: int, settings: Optimization) -> float:
    """Linear decay to 0; the first warm-up step is 0, as in `get_linear_schedule_with_warmup` of transformers."""
    if step < settings.warmup_steps:
        return step / settings.warmup_steps
    return max(0.0, (settings.steps - step) / max(1, settings.steps - settings.warmup_steps))


_SCHEDULES = {"cosine": _cosine, "linear": _linear}
