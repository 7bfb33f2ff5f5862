"""Config sections shared by all training runs: the run, its optimizer, renamed keys, error messages.

Configs of a single kind of hypernetwork are in that kind's package, in `training_config.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lorify.base.files.locate import DEFAULT_BASE

if TYPE_CHECKING:
    import torch

RENAMED_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "keep_weight": "preservation_kl_weight",
        "measured_path": "eval_tasks_path",
        "other_probability": "negative_probability",
        "start_from": "init_from",
    }
)
"""Keys of lorify 0.1, in any section, and their current names. Configs with the old keys still load."""


def rename_keys(document: Any) -> Any:
    """Replace the keys of `RENAMED_KEYS` in a JSON document, at any depth.

    Raises:
        ValueError: if a section has both the old and the new name of a key.
    """
    if not isinstance(document, Mapping):
        return document
    renamed: dict[str, Any] = {}
    for key, value in document.items():
        name = RENAMED_KEYS.get(key, key)
        if name in renamed:
            raise ValueError(f"{name} is given twice, once by its old name; remove the old one")
        renamed[name] = rename_keys(value)
    return renamed


class Section(BaseModel):
    """A section of a config: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Optimization(Section):
    """AdamW and its schedule."""

    steps: int = Field(600, gt=0, description="Optimizer steps.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate of AdamW.")
    warmup_steps: int = Field(50, ge=0, description="Steps of linear warm-up.")
    schedule: Literal["cosine", "linear"] = Field(
        "cosine", description="Decay of the learning rate after the warm-up; linear ends at 0."
    )
    final_learning_rate_ratio: float = Field(
        0.05, ge=0, le=1, description="Learning rate at the end of the cosine, relative to the peak."
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay rate of AdamW's first moment.")
    beta2: float = Field(0.98, ge=0, lt=1, description="Decay rate of AdamW's second moment.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    gradient_clip: float = Field(1.0, gt=0, description="Maximum norm of the gradient.")
    accumulation: int = Field(1, gt=0, description="Batches for each optimizer step.")
    bf16: bool | None = Field(
        None,
        description="Compute in bfloat16; null: where the device multiplies it natively. The trained weights stay in "
        "float32.",
    )

    def computes_in_bf16(self, device: torch.device) -> bool:
        """Return whether a run on a device computes in bfloat16."""
        if self.bf16 is not None:
            return self.bf16
        from lorify.base import loading

        return loading.best_dtype(device).itemsize == 2


class LoraSettings(Section):
    """The adapted linear layers and the LoRA on them."""

    modules: tuple[str, ...] = Field(
        ("q_proj", "v_proj", "o_proj", "down_proj"), min_length=1, description="Adapted linear layers of each block."
    )
    first_layer: int = Field(0, ge=0, description="First adapted block.")
    last_layer: int | None = Field(None, ge=0, description="Last adapted block; null: the base's last.")
    rank: int = Field(8, gt=0, description="Rank of the adapters.")
    lora_alpha: float = Field(16.0, gt=0, description="Numerator of the adapters' scaling.")
    use_rslora: bool = Field(True, description="Scaling is lora_alpha / sqrt(rank) instead of lora_alpha / rank.")


class TrainingConfig(Section):
    """Config of a training run of any kind; the training loop reads only these fields.

    Attributes:
        base_is_called_evenly: whether every batch runs the base equally often, as a sharded base requires.
    """

    base_is_called_evenly: ClassVar[bool] = True
    kind: str = Field(description="Kind of run, one of `lorify.training.registry.TRAINING_KINDS`.")
    base: str = Field(DEFAULT_BASE, description="Base model: default name, hub id, folder or GGUF file.")
    init_from: Path | None = Field(
        None, description="Hypernetwork folder to start from; missing parts get random weights."
    )
    optimization: Optimization = Optimization()  # pyright: ignore[reportCallIssue]
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the initial weights and of the data.")
    evaluate_every: int = Field(50, gt=0, description="Steps between evaluations on held-out contexts.")
    evaluation_batches: int = Field(4, gt=0, description="Held-out batches for each evaluation.")
    checkpoint_every: int = Field(25, gt=0, description="Steps between checkpoints.")
    keep_last: bool = Field(False, description="Write the weights of the last step too, to the folder last.")
    snapshots_every: int | None = Field(
        None, gt=0, description="Steps between snapshots of what is trained, for `lorify watch`; null: none."
    )
    sharded: bool = Field(False, description="Split trained weights and optimizer state over the processes.")
    sharded_base: bool = Field(
        False, description="Split the base's blocks over the processes; a block is gathered when it runs."
    )

    @model_validator(mode="before")
    @classmethod
    def _rename_keys(cls, document: Any) -> Any:
        return rename_keys(document)

    @model_validator(mode="after")
    def _can_shard_base(self) -> Self:
        if self.sharded_base and not self.base_is_called_evenly:
            raise ValueError(
                f"the base cannot be sharded in a run of kind {self.kind}, because the number of its calls depends on "
                "the batch; set sharded_base to false"
            )
        return self


def describe_problems(error: ValidationError, config: type[BaseModel], command: str = "lorify train") -> str:
    """Describe all problems of a config in one line.

    Args:
        error: the problems.
        config: class of the config, to suggest the intended key for an unknown one.
        command: the command that lists all keys with `--defaults`.
    """
    keys = list(_keys(config))
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "file"
        problem = _describe_problem(item["type"], item["msg"], item["input"], item.get("ctx", {}))
        if item["type"] == "extra_forbidden" and (nearest := get_close_matches(key, keys, 1)):
            problem += f", the nearest is {nearest[0]}"
        problems.append(f"{key}: {problem}")
    return "; ".join(problems) + f" (see `{command} --defaults` for all keys)"


def _keys(config: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of a config and of its sections."""
    for name, field in config.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _keys(type(field.default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _describe_problem(kind: str, message: str, value: object, details: Mapping[str, Any]) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "value_error":  # raised by one of our validators, whose message is complete
        return str(details.get("error", message))
    if kind == "tuple_type":
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        return f"a list is expected, got {value!r}; write it as JSON, such as {json.dumps(names, default=str)}"
    return message.lower() + ("" if kind in ("missing", "json_invalid") else f", got {value!r}")
