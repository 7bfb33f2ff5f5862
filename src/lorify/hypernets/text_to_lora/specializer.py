"""Turn a task description into an adapter with the hypernetwork of Text-to-LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lorify.adapters import LoraPair
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder, load_description_encoder
from lorify.contexts.descriptions.task_names import ONE_HOT_EMBEDDER, TaskNameEncoder
from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.specializer import EncoderSpecializer
from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import TaskHypernetwork


@dataclass(frozen=True)
class EmbeddingSpecializer(EncoderSpecializer):
    """A Text-to-LoRA hypernetwork with the base and the description encoder it was made for."""

    config: TaskConfig
    hypernetwork: TaskHypernetwork

    @property
    def rank(self) -> int:
        """Rank of its adapters."""
        return self.config.rank

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks that it knows by name."""
        return self.config.task_names

    @property
    def has_published_chat(self) -> bool:
        """Whether it was trained with Text-to-LoRA's chat format."""
        return self.config.published_chat

    def _generate(self, description: str) -> dict[Key, LoraPair]:
        embeddings = self.encoder.encode([description])  # [1, e]
        device = next(self.hypernetwork.parameters()).device
        generated = self.hypernetwork(embeddings.to(device)).weights
        return {
            (layer, name): LoraPair(stack.A[0, i].clone(), stack.B[0, i].contiguous())
            for name, stack in generated.items()
            for i, layer in enumerate(self.config.layers)
        }


def load_embedding_specializer(
    base: BaseLM, loaded: LoadedHypernetwork[TaskConfig, TaskHypernetwork]
) -> EmbeddingSpecializer:
    """Join a loaded hypernetwork with its base and load its description encoder.

    Raises:
        HypernetworkError: if it was made for another base or encoder, or knows tasks by numbers without names.
        ContextError: if its description encoder cannot be found, fetched or read.
    """
    config = loaded.config
    encoder: DescriptionEncoder = (
        _task_name_encoder(loaded)
        if config.embedder_name == ONE_HOT_EMBEDDER
        else load_description_encoder(config.embedder_name, base=base, device=base.device)
    )
    return EmbeddingSpecializer(
        base=base, config=config, hypernetwork=loaded.network, encoder=encoder, name=loaded.name, digest=loaded.digest
    )


def _task_name_encoder(loaded: LoadedHypernetwork[TaskConfig, TaskHypernetwork]) -> TaskNameEncoder:
    if not loaded.config.task_names:
        raise HypernetworkError(
            f"hypernetwork {loaded.name} knows tasks by number only, without their names, and reads no descriptions; "
            "give one that does"
        )
    return TaskNameEncoder(loaded.config.task_names)


def task_lora_batch(config: TaskConfig, weights: Mapping[str, LoraStack]) -> dict[tuple[int, str], LoraTensors]:
    """Convert generated LoRA weights for the base's hooks: one row per description, scaling in B."""
    # Unbound, not indexed: the gradient of each index would be as large as all layers together.
    return {
        (layer, name): LoraTensors(A, B.transpose(-1, -2) * config.scaling)
        for name, stack in weights.items()
        for layer, A, B in zip(config.layers, stack.A.unbind(1), stack.B.unbind(1), strict=True)
    }
