"""Config of the Text-to-LoRA hypernetwork: its sizes, and the base and description encoder it was made for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lorify.adapters.adapter import lora_scaling
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder
from lorify.errors import ConfigError
from lorify.hypernets.adapted_modules import AdaptedModule, adapted_modules

TaskEncoderKind = Literal["linear", "one_hot", "vq", "softmax"]
RankPositions = Literal["all_at_once", "rotary", "learned"]


class TaskConfig(BaseModel):
    """Config of a task hypernetwork, with its base and the embedder that it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["task"] = Field(default="task", description="Kind of hypernetwork.")
    base_name: str = Field(description="Base model it was made for.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    embedder_name: str = Field(description="What embeds the descriptions (see `load_description_encoder`).")
    embedder_digest: str | None = Field(default=None, description="SHA-256 of the embedder's weights; null if unknown.")
    embedding_size: int = Field(gt=0, description="Size of an embedding.")
    layers: tuple[int, ...] = Field(min_length=1, description="Adapted blocks of the base.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Adapted linear layers; their order matters.")
    rank: int = Field(default=8, gt=0, description="Rank of the adapters.")
    lora_alpha: float = Field(default=16.0, gt=0, description="Numerator of the adapters' scaling.")
    use_rslora: bool = Field(
        default=True, description="Scaling is `lora_alpha / sqrt(rank)` instead of `lora_alpha / rank`."
    )
    task_encoder: TaskEncoderKind = Field(default="linear", description="Task encoder: what encodes the embedding.")
    num_codes: int = Field(default=32, gt=1, description="Codes of the codebook (vq, softmax) or classes (one_hot).")
    latent_size: int = Field(
        default=128,
        gt=0,
        multiple_of=4,
        description="Width of the trunk input: half encodes the task, a quarter the block, a quarter the module.",
    )
    head_input_size: int = Field(default=512, gt=0, description="Input features of the heads.")
    head_bias: bool = Field(default=True, description="Whether the heads have biases.")
    hyper_init: bool = Field(default=True, description="Heads start with zero weights and the biases of a fresh LoRA.")
    shared_head: bool = Field(default=False, description="One head writes A and B of a module (sizes M and S).")
    rank_positions: RankPositions = Field(
        default="all_at_once", description="How a head distinguishes ranks it writes one at a time."
    )
    output_scale: float = Field(default=1.0, gt=0, description="Factor of what the heads write.")
    standardized: bool = Field(default=False, description="Heads write z-scores; mean and deviation are stored.")
    offset: Literal["none", "fixed", "learned"] = Field(
        default="none", description="LoRA that is added to that of every task."
    )
    published_chat: bool = Field(
        default=False, description="Trained in Text-to-LoRA's chats; its adapters are asked in them too."
    )
    num_training_tasks: int | None = Field(default=None, description="Tasks it was trained on; null if unknown.")
    task_names: tuple[str, ...] = Field(
        default=(), description="Tasks that it knows by their number, in this order; empty if it reads descriptions."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TaskConfig:
        if self.rank_positions == "rotary" and self.trunk_width % 2:
            raise ValueError(f"rotary rank positions need an even trunk width, not {self.trunk_width}; use size M or L")
        if len({module.name for module in self.modules}) < len(self.modules):
            raise ValueError("a module is named twice; name each once")
        return self

    @property
    def code_size(self) -> int:
        """Size of an encoded description."""
        return self.num_codes if self.task_encoder == "one_hot" else self.latent_size // 2

    @property
    def trunk_width(self) -> int:
        """Width of the mixer and of the residual MLPs."""
        if self.task_encoder == "one_hot":
            return self.code_size + len(self.layers) + len(self.modules)
        return self.code_size + 2 * (self.latent_size // 4)

    @property
    def scaling(self) -> float:
        """Factor of the updates `B A`: `lora_alpha / rank`, or `lora_alpha / sqrt(rank)` with `use_rslora`."""
        return lora_scaling(self.lora_alpha, self.rank, use_rslora=self.use_rslora)


SIZES: Mapping[str, Mapping[str, bool | str]] = {
    "L": {"shared_head": False, "rank_positions": "all_at_once"},
    "M": {"shared_head": True, "rank_positions": "all_at_once"},
    "S": {"shared_head": True, "rank_positions": "rotary"},
}
"""Fields of `TaskConfig` that make the paper's three sizes."""


def task_config(
    base: BaseLM,
    encoder: DescriptionEncoder,
    *,
    size: str = "L",
    modules: Sequence[str] = ("q_proj", "v_proj"),
    layers: Sequence[int] | None = None,
    **fields: object,
) -> TaskConfig:
    """Make the config of a task hypernetwork for a base and a description encoder.

    Args:
        base: the base model.
        encoder: embeds the descriptions.
        size: `L`, `M` or `S`.
        modules: linear layers to adapt.
        layers: blocks to adapt; all by default.
        fields: other fields of `TaskConfig`.

    Raises:
        ConfigError: if the size is unknown or a field is invalid.
        BaseModelError: if the base has no such linear layer.
    """
    if size not in SIZES:
        raise ConfigError(f"unknown size {size!r} of a task hypernetwork; expected one of {', '.join(SIZES)}")
    layers = tuple(range(base.num_layers)) if layers is None else tuple(layers)
    values = {
        "base_name": base.name,
        "base_digest": base.digest,
        "embedder_name": encoder.name,
        "embedder_digest": encoder.digest,
        "embedding_size": encoder.size,
        "layers": layers,
        "modules": adapted_modules(base, layers, modules),
    }
    try:
        return TaskConfig.model_validate({**values, **SIZES[size], **fields})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, entry['loc'])) or 'config'}: {entry['msg']}" for entry in error.errors()]
        raise ConfigError(f"config of the task hypernetwork: {'; '.join(problems)}; correct it") from error
