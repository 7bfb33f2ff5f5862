"""Task description -> adapter, with the task hypernetwork of a base.

There are two kinds: Text-to-LoRA's, which gets an embedding of the whole description, and an associative one that reads
the description token by token, as documents are read.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import lorify_version
from lorify.base.chat import answer_opening
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseModel
from lorify.contexts.descriptions import (
    DescriptionEncoder,
    DescriptionWarning,
    described_tokens,
    load_description_encoder,
)
from lorify.contexts.documents import Document
from lorify.errors import HypernetworkError
from lorify.hypernets.internalize import Internalizer
from lorify.hypernets.storage import hypernetwork_digest, hypernetwork_kind, load_associative
from lorify.hypernets.task_config import ONE_HOT_EMBEDDER, TaskConfig
from lorify.hypernets.task_hypernet import LoraStack, TaskHypernetwork
from lorify.hypernets.task_storage import load_task_hypernetwork

_QUOTED = re.compile(r'"([^"]+)"')
NAME_PREFIX = "task: "
NAME_CHARACTERS = 80
OPENING_TOKENS = 16
"""Room that is kept in a chunk for what a chat has between a description and its answer."""


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


def load_specializer(base: BaseModel, folder: Path) -> Specializer:
    """Load a task hypernetwork from its folder, with the description encoder that it was made for if it has one.

    Raises:
        HypernetworkError: if it is missing, damaged, for another base, or knows tasks by number only.
        ContextError: if its description encoder cannot be found, fetched or read.
    """
    digest = hypernetwork_digest(folder)
    if hypernetwork_kind(folder) == "associative":
        shape, memory = load_associative(folder)
        if shape.num_training_tasks is None:
            raise HypernetworkError(
                f"hypernetwork {folder} reads documents, not descriptions of tasks; give it with --hypernet, and one "
                "that was trained with kind task or task_memory with --task-hypernet"
            )
        return MemorySpecializer(Internalizer(base, shape, memory.to(base.device), folder.name, digest))
    config, hypernet = load_task_hypernetwork(folder)
    if config.embedder_name == ONE_HOT_EMBEDDER:
        raise HypernetworkError(
            f"hypernetwork {folder.name} knows tasks by number only and reads no descriptions; give one that does"
        )
    encoder = load_description_encoder(config.embedder_name, base=base, device=base.device)
    return EmbeddingSpecializer(base, config, hypernet.to(base.device), encoder, folder.name, digest)


@dataclass(frozen=True)
class MemorySpecializer:
    """An associative hypernetwork for tasks: a description is read as a document is.

    Attributes:
        internalizer: the hypernetwork with the base it was made for.
    """

    internalizer: Internalizer

    @property
    def name(self) -> str:
        """What the provenance of its adapters calls it."""
        return self.internalizer.name

    @property
    def digest(self) -> str:
        """SHA-256 of its weights file."""
        return self.internalizer.digest

    @property
    def rank(self) -> int:
        """Largest rank of its adapters."""
        config = self.internalizer.config
        return max(config.rank + config.bias_rank, config.reading_rank if config.reading_layers else 0)

    @property
    def num_training_tasks(self) -> int | None:
        """Tasks it was trained on."""
        return self.internalizer.config.num_training_tasks

    def specialize(self, description: str) -> Adapter:
        """Turn a task description into an adapter.

        Raises:
            ContextError: if the description is empty or longer than a chunk.
        """
        hypernet = self.internalizer
        described_tokens(
            description,
            hypernet.base.tokenizer,
            reader=f"hypernetwork {self.name}",
            max_tokens=hypernet.config.chunk_tokens - OPENING_TOKENS,
            english_only=True,
            full_stop=False,
        )
        # Nothing is added to a task or taken out of it, and it is on for whatever is asked.
        task = task_document(description.strip())
        asked = replace(task, text=described_chat(task.text, hypernet.base))
        return replace(hypernet.internalize([asked]), statistics=None)


@dataclass(frozen=True)
class EmbeddingSpecializer:
    """A task hypernetwork of Text-to-LoRA with the base and the description encoder it was made for.

    Attributes:
        base: the base model.
        config: shape of the hypernetwork.
        hypernet: its weights, in float32, in evaluation mode.
        encoder: what embeds the descriptions.
        name: what the provenance calls the hypernetwork.
        digest: SHA-256 of its weights file.
    """

    base: BaseModel
    config: TaskConfig
    hypernet: TaskHypernetwork
    encoder: DescriptionEncoder
    name: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse a base or an encoder that the hypernetwork was not made for."""
        config, base, encoder = self.config, self.base, self.encoder
        if config.base_digest != base.digest:
            raise HypernetworkError(
                f"hypernetwork {self.name} was made for {config.base_name} (weights {config.base_digest[:8]}...), but "
                f"the loaded base is {base.name} (weights {base.digest[:8]}...); load that base or train a "
                "hypernetwork for this one"
            )
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
                stacklevel=3,
            )

    @property
    def rank(self) -> int:
        """Rank of its adapters."""
        return self.config.rank

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
        embeddings = self.encoder.encode([description])  # [1, e]
        device = next(self.hypernet.parameters()).device
        generated = self.hypernet(embeddings.to(device)).weights
        weights = {
            (layer, name): LoraPair(stack.A[0, i].clone(), stack.B[0, i].contiguous())
            for name, stack in generated.items()
            for i, layer in enumerate(self.config.layers)
        }
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


def described_chat(description: str, base: BaseModel) -> str:
    """A description as an associative hypernetwork reads it: as what a user says, at the point of being answered.

    There the base's states say how it would begin to do what it is told. The end of text after it is what comes next
    there: only a token that has a next one is remembered. What is quoted must have tokens of its own to its end, where
    `."` would be one.
    """
    spaced = _QUOTED.sub(r'"\1 "', description)
    return spaced + answer_opening(base.tokenizer) + str(base.tokenizer.eos_token or "")


def task_document(description: str) -> Document:
    """A task as the document that its adapter is recorded to be of."""
    name = NAME_PREFIX + _shortened(" ".join(description.split()), NAME_CHARACTERS)
    return Document(name, description, hashlib.sha256(description.encode()).hexdigest())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
