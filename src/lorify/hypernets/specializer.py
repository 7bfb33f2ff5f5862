"""The interface of task hypernetworks, which turn a description into an adapter."""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import nn

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import Key, lorify_version
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder
from lorify.contexts.descriptions.text import DescriptionWarning
from lorify.contexts.documents import Document
from lorify.errors import HypernetworkError
from lorify.hypernets.internalizer import check_made_for

NAME_PREFIX = "task: "
NAME_CHARACTERS = 80


class Specializer(Protocol):
    """A task hypernetwork with the base it was made for."""

    @property
    def name(self) -> str:
        """Name of the hypernetwork, as adapters record it in their provenance."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the hypernetwork's weights file."""
        ...

    @property
    def rank(self) -> int:
        """Largest rank of its adapters."""
        ...

    @property
    def num_training_tasks(self) -> int | None:
        """Number of tasks it was trained on; None if unknown."""
        ...

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks that it knows by name, without descriptions; empty if it reads descriptions."""
        ...

    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or too long for the encoder.
        """
        ...


class DescriptionConfig(Protocol):
    """Fields shared by all configs of hypernetworks with a description encoder.

    Attributes:
        base_name: base model it was made for.
        base_digest: SHA-256 of that base's weights.
        embedder_name: the description encoder.
        embedder_digest: SHA-256 of the encoder's weights; None if unknown.
        embedding_size: size of an embedding.
        rank: rank of its LoRA.
        num_training_tasks: number of tasks it was trained on; None if unknown.
    """

    base_name: str
    base_digest: str
    embedder_name: str
    embedder_digest: str | None
    embedding_size: int
    rank: int
    num_training_tasks: int | None

    @property
    def scaling(self) -> float:
        """Factor of the updates `B A`: `lora_alpha / rank`, or `lora_alpha / sqrt(rank)` with rsLoRA."""
        ...


@dataclass(frozen=True)
class EncoderSpecializer(ABC):
    """A task hypernetwork that reads descriptions through a description encoder, with its base.

    Attributes:
        base: the base model.
        config: config of the hypernetwork.
        hypernetwork: its weights, in float32, in evaluation mode.
        encoder: embeds the descriptions.
        name: its name in the provenance of adapters.
        digest: SHA-256 of its weights file.
        overwrites_system_message: whether its adapters work only with the base's default system message.
    """

    overwrites_system_message: ClassVar[bool] = False
    base: BaseLM
    config: DescriptionConfig
    hypernetwork: nn.Module
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
                f"weights {(known or 'unknown')[:8]}), but the description encoder is {encoder.name} (size "
                f"{encoder.size}, weights {encoder.digest[:8]}); load the one it was made for"
            )
        if known is None and config.embedder_name != encoder.name:
            warnings.warn(
                f"hypernetwork {self.name} was made for the description encoder {config.embedder_name}, but does not "
                f"record its weights, so whether {encoder.name} is the same encoder cannot be checked",
                DescriptionWarning,
                stacklevel=4,
            )

    @property
    @abstractmethod
    def rank(self) -> int:
        """Largest rank of its adapters."""

    @property
    def num_training_tasks(self) -> int | None:
        """Number of tasks it was trained on; None if unknown."""
        return self.config.num_training_tasks

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks that it knows by name; empty, since it reads descriptions."""
        return ()

    @property
    def has_published_chat(self) -> bool:
        """Whether it was trained with Text-to-LoRA's chat format."""
        return False

    @torch.no_grad()
    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or too long for the encoder.
        """
        weights = self._generate(description)
        task = task_document(description)
        num_tokens = len(self.base.encode_text(description))
        provenance = Provenance(
            base_name=self.base.name,
            base_digest=self.base.digest,
            hypernetwork=self.name,
            hypernetwork_digest=self.digest,
            documents=(DocumentRecord(name=task.name, digest=task.digest, num_tokens=num_tokens),),
            needs_default_system_message=self.overwrites_system_message,
            has_published_chat=self.has_published_chat,
            lorify_version=lorify_version(),
        )
        return Adapter(weights=weights, lora_alpha=self.config.scaling * self.config.rank, provenance=provenance)

    @abstractmethod
    def _generate(self, description: str) -> Mapping[Key, LoraPair]:
        """LoRA weights for a description."""


def task_document(description: str) -> Document:
    """Build the document that records a task description in an adapter's provenance."""
    name = NAME_PREFIX + _shortened(" ".join(description.split()), NAME_CHARACTERS)
    return Document(name, description, hashlib.sha256(description.encode()).hexdigest())


def is_task_name(name: str) -> bool:
    """Return whether a name in an adapter's provenance is one that `task_document` gives to a task description."""
    return name.startswith(NAME_PREFIX)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
