"""Detect that a training step ran out of memory, and suggest what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lorify.hypernets.training_config import TrainingConfig

BATCH_KEYS = frozenset({"batch_context_tokens", "tasks_per_batch", "facts", "questions", "niah", "everyday", "texts"})
"""Config keys that define the size of a batch."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory ran out; PyTorch's message differs between devices."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory")
    )


def advice(config: TrainingConfig, step: int, weights_dir: Path | None) -> str:
    """Return one line that suggests a smaller batch.

    Args:
        config: the config of the run.
        step: the step that failed.
        weights_dir: folder with the weights of the previous step; None if there was none.
    """
    settings = [f"{path}={value // 2}" for path, value in _batch_sizes(config.model_dump())]
    settings.append(f"optimization.accumulation={2 * config.optimization.accumulation}")
    kept = ""
    if weights_dir is not None and hasattr(config, "init_from"):
        settings.insert(0, f"init_from={weights_dir}")
        kept = f"the weights of step {step - 1} are in {weights_dir}; "
    options = " ".join(f"--set {setting}" for setting in settings)
    return f"not enough memory for step {step}; {kept}halve the batch in a new run folder with {options}"


def _batch_sizes(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the dotted paths and values of batch sizes that can be halved."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _batch_sizes(value, f"{prefix}{name}.")
        elif name in BATCH_KEYS and type(value) is int and value > 1:
            yield prefix + name, value
