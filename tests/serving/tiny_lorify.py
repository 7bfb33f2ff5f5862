"""A tiny random base with a random hypernetwork, whose adapters change what the base says."""

import torch
from tiny import tiny_associative_config, tiny_base

from lorify import Lorify
from lorify.adapters import Adapter
from lorify.base.model import BaseModel
from lorify.contexts.documents import document_from_text
from lorify.hypernets.associative import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.internalize import Internalizer

TEXTS = (
    "The mill opens at nine.",
    "Ada keeps bees. They like clover.",
    "A red boat lies in the harbour, and nobody knows whose it is.",
    "Forty-two chairs stand in the hall.",
)


def tiny_hypernetwork(base: BaseModel) -> tuple[AssociativeConfig, AssociativeHypernetwork]:
    config = tiny_associative_config(base, 16)
    torch.manual_seed(1)
    hypernet = AssociativeHypernetwork(config).eval()
    torch.nn.init.constant_(hypernet.log_scale, 2.0)
    return config, hypernet


def tiny_lorify(base: BaseModel | None = None) -> Lorify:
    base = base or tiny_base()
    config, hypernet = tiny_hypernetwork(base)
    return Lorify(base, Internalizer(base, config, hypernet, name="tiny", digest="d1"))


def tiny_adapters(model: Lorify) -> list[Adapter]:
    return [model.internalize(document_from_text(text, f"doc{i}")) for i, text in enumerate(TEXTS)]
