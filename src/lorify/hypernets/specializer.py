"""Task description -> adapter, with the task hypernetwork of a base.

There are two kinds: Text-to-LoRA's, which gets an embedding of the whole description, and one that puts the description
into the place of the chat's own system message.
"""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import Key, lorify_version
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.contexts.descriptions import DescriptionEncoder, DescriptionWarning, load_description_encoder
from lorify.contexts.documents import Document
from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import hypernetwork_digest, hypernetwork_kind
from lorify.hypernets.internalizer import check_made_for
from lorify.hypernets.system_prompt.network import (
    WRITTEN_MODULE,
    DescriptionReader,
    SystemMessageConfig,
    SystemMessageHypernetwork,
)
from lorify.hypernets.text_to_lora.checkpoint import load_system_message, load_task_hypernetwork
from lorify.hypernets.text_to_lora.config import ONE_HOT_EMBEDDER, TaskConfig
from lorify.hypernets.text_to_lora.network import LoraStack, TaskHypernetwork

NAME_PREFIX = "task: "
NAME_CHARACTERS = 80


def task_lora_batch(config: TaskConfig, weights: Mapping[str, LoraStack]) -> dict[tuple[int, str], LoraTensors]:
    """Address generated adapters to the base's modules, one row per description, scaling in B."""
    # Unbound, not indexed: the gradient of each index would be as large as all layers together.
    return {
        (layer, name): LoraTensors(A, B.transpose(-1, -2) * config.scaling)
        for name, stack in weights.items()
        for layer, A, B in zip(config.layers, stack.A.unbind(1), stack.B.unbind(1), strict=True)
    }


class Specializer(Protocol):
    """A task hypernetwork joined with the base it was made for."""

    @property
    def name(self) -> str:
        """What the provenance of its adapters calls it."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of its weights file."""
        ...

    @property
    def rank(self) -> int:
        """Largest rank of its adapters."""
        ...

    @property
    def num_training_tasks(self) -> int | None:
        """Tasks it was trained on; None: not known."""
        ...

    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or longer than is read.
        """
        ...


def load_specializer(base: BaseLM, folder: Path) -> Specializer:
    """Load a task hypernetwork from its folder, with the description encoder that it was made for.

    Raises:
        HypernetworkError: if it is missing, damaged, for another base, or knows tasks by number only.
        ContextError: if its description encoder cannot be found, fetched or read.
    """
    digest = hypernetwork_digest(folder)
    kind = hypernetwork_kind(folder)
    if kind in ("associative", "perceiver"):
        raise HypernetworkError(
            f"hypernetwork {folder} reads documents, not descriptions of tasks; give it with --hypernetwork, and "
            "one that was trained with kind task or system_message with --task-hypernetwork"
        )
    if kind == "system_message":
        shape, shared = load_system_message(folder)
        encoder = load_description_encoder(shape.embedder_name, base=base, device=base.device)
        return SystemMessageSpecializer(base, shape, shared.to(base.device), encoder, folder.name, digest)
    config, hypernetwork = load_task_hypernetwork(folder)
    if config.embedder_name == ONE_HOT_EMBEDDER:
        raise HypernetworkError(
            f"hypernetwork {folder.name} knows tasks by number only and reads no descriptions; give one that does"
        )
    encoder = load_description_encoder(config.embedder_name, base=base, device=base.device)
    return EmbeddingSpecializer(base, config, hypernetwork.to(base.device), encoder, folder.name, digest)


@dataclass(frozen=True)
class _TaskSpecializer(ABC):
    """A task hypernetwork with the base and the description encoder it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernetwork: its weights, in float32, in evaluation mode.
        encoder: what embeds the descriptions.
        name: what the provenance calls the hypernetwork.
        digest: SHA-256 of its weights file.
    """

    base: BaseLM
    config: TaskConfig | SystemMessageConfig
    hypernetwork: TaskHypernetwork | SystemMessageHypernetwork
    encoder: DescriptionEncoder
    name: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse a base or an encoder that the hypernetwork was not made for."""
        config, encoder = self.config, self.encoder
        check_made_for(self.base, base_name=config.base_name, base_digest=config.base_digest, name=self.name)
        known = config.embedder_digest
        if config.embedding_size != encoder.size or (known is not None and known != encoder.digest):
            raise HypernetworkError(
                f"hypernetwork {self.name} reads embeddings of {config.embedder_name} (size {config.embedding_size}, "
                f"weights {(known or 'not known')[:9]}), but the description encoder is {encoder.name} (size "
                f"{encoder.size}, weights {encoder.digest[:8]}); load the one it was made for"
            )
        if known is None and config.embedder_name != encoder.name:
            warnings.warn(
                f"hypernetwork {self.name} was made for the description encoder {config.embedder_name} and does not "
                f"record its weights: whether {encoder.name} is the same one cannot be checked",
                DescriptionWarning,
                stacklevel=4,
            )

    @property
    def num_training_tasks(self) -> int | None:
        """Tasks it was trained on; None: not known."""
        return self.config.num_training_tasks

    @torch.no_grad()
    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or longer than the encoder reads.
        """
        weights = self._write(description)
        task = task_document(description)
        num_tokens = len(self.base.encode_text(description))
        record = DocumentRecord(name=task.name, digest=task.digest, num_tokens=num_tokens)
        return Adapter(
            weights=weights,
            lora_alpha=self.config.scaling * self.config.rank,
            provenance=Provenance(
                base_name=self.base.name,
                base_digest=self.base.digest,
                hypernetwork=self.name,
                hypernetwork_digest=self.digest,
                documents=(record,),
                lorify_version=lorify_version(),
            ),
        )

    @abstractmethod
    def _write(self, description: str) -> dict[Key, LoraPair]:
        """The adapter's weights."""
        ...


@dataclass(frozen=True)
class EmbeddingSpecializer(_TaskSpecializer):
    """A task hypernetwork of Text-to-LoRA with the base and the description encoder it was made for."""

    config: TaskConfig
    hypernetwork: TaskHypernetwork

    @property
    def rank(self) -> int:
        """Rank of its adapters."""
        return self.config.rank

    def _write(self, description: str) -> dict[Key, LoraPair]:
        embeddings = self.encoder.encode([description])  # [1, e]
        device = next(self.hypernetwork.parameters()).device
        generated = self.hypernetwork(embeddings.to(device)).weights
        return {
            (layer, name): LoraPair(stack.A[0, i].clone(), stack.B[0, i].contiguous())
            for name, stack in generated.items()
            for i, layer in enumerate(self.config.layers)
        }


@dataclass(frozen=True)
class SystemMessageSpecializer(_TaskSpecializer):
    """A hypernetwork that puts descriptions into the place of the system message, with base and description encoder."""

    config: SystemMessageConfig
    hypernetwork: SystemMessageHypernetwork

    @property
    def rank(self) -> int:
        """Largest rank of its adapters."""
        return max(self.config.rank, self.config.num_slots)

    @cached_property
    def _reader(self) -> DescriptionReader:
        return DescriptionReader(self.base, self.encoder, self.config)

    @cached_property
    def _shared(self) -> dict[Key, LoraPair]:
        """The pairs that are the same for all tasks, kept once however many adapters have them."""
        return {key: self._pair(tensors) for key, tensors in self.hypernetwork.shared_updates().items()}

    def _write(self, description: str) -> dict[Key, LoraPair]:
        written = self.hypernetwork.write(self._reader.read([description]))
        return {(self.config.written_layer, WRITTEN_MODULE): self._pair(written), **self._shared}

    def _pair(self, tensors: LoraTensors) -> LoraPair:
        # An adapter has one alpha and each pair its own rank: what the scaling would add to a pair is taken out of it.
        scale = len(tensors.A) / (self.config.scaling * self.config.rank)
        return LoraPair(tensors.A.detach(), (tensors.B[0].T * scale).contiguous())


def task_document(description: str) -> Document:
    """A task as the document that its adapter is recorded to be of."""
    name = NAME_PREFIX + _shortened(" ".join(description.split()), NAME_CHARACTERS)
    return Document(name, description, hashlib.sha256(description.encode()).hexdigest())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
