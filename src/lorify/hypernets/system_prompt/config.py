"""Config of the system message hypernetwork."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lorify.adapters.adapter import lora_scaling
from lorify.hypernets.adapted_modules import AdaptedModule


class SystemMessageConfig(BaseModel):
    """Config of a system message hypernetwork, with the base and the description encoder it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["system_message"] = Field(default="system_message", description="Kind of hypernetwork.")
    base_name: str = Field(description="Base model it was made for.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    chat_start: tuple[int, ...] = Field(description="Token ids at the start of every chat of the base.")
    num_slots: int = Field(gt=0, description="Tokens of the system message that are overwritten.")
    embedded_slots: int = Field(ge=0, description="How many of them, the last ones, hold the description's embedding.")
    embedder_name: str = Field(description="What embeds the descriptions (see `load_description_encoder`).")
    embedder_digest: str | None = Field(description="SHA-256 of the embedder's weights; null if unknown.")
    embedding_size: int = Field(gt=0, description="Size of an embedding.")
    filler: int = Field(ge=0, description="Token id that pads shorter descriptions.")
    written_layer: int = Field(ge=0, description="Block after which the description replaces the system message.")
    written_size: int = Field(gt=0, description="Input features of the linear layer that writes the description.")
    hidden_size: int = Field(gt=0, description="Width of the base's hidden states.")
    layers: tuple[int, ...] = Field(min_length=1, description="Blocks with the LoRA shared by all tasks.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Linear layers of the shared LoRA.")
    rank: int = Field(gt=0, description="Rank of the shared LoRA.")
    lora_alpha: float = Field(gt=0, description="Numerator of the shared LoRA's scaling.")
    use_rslora: bool = Field(description="Scaling is lora_alpha / sqrt(rank) instead of lora_alpha / rank.")
    common_tokens: tuple[int, ...] = Field(
        description="Token ids of training descriptions, most common first: these lose their slots first."
    )
    num_training_tasks: int | None = Field(default=None, description="Tasks it was trained on; null if unknown.")

    @model_validator(mode="after")
    def _check_slots(self) -> SystemMessageConfig:
        if self.embedded_slots >= self.num_slots:
            raise ValueError(
                f"embedded_slots {self.embedded_slots} leaves none of the {self.num_slots} slots for tokens; "
                "set it lower"
            )
        return self

    @property
    def marked_layer(self) -> int:
        """Block that marks the slots whose keys and values are overwritten (see `key_values`)."""
        return self.written_layer + 1

    def overwritten_layers(self, num_layers: int) -> range:
        """Blocks in which keys and values of slots are overwritten; the base has `num_layers` blocks."""
        return overwritten_layers(self.written_layer, num_layers)

    @property
    def scaling(self) -> float:
        """Scaling of the shared LoRA."""
        return lora_scaling(self.lora_alpha, self.rank, use_rslora=self.use_rslora)


def overwritten_layers(written_layer: int, num_layers: int) -> range:
    """Return the blocks in which keys and values of slots are overwritten: those above the gate, if any.

    Args:
        written_layer: block after which the description replaces the system message; the gate is two blocks above.
        num_layers: blocks of the base.
    """
    return range(written_layer + 3, num_layers)
