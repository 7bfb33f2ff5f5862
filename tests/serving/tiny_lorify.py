"""A tiny random base with a random hypernetwork whose adapters change the answers."""

from pathlib import Path

import torch
from hypernets.authors_checkpoint import AuthorsCheckpoint
from tiny import tiny_associative_config, tiny_base

from lorify import Lorify
from lorify.adapters import Adapter
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.contexts.documents import document_from_text
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.doc_to_lora.importer import import_d2l
from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.registry import load_internalizer
from lorify.hypernets.text_to_lora.config import task_config
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork

TEXTS = (
    "The mill opens at nine.",
    "Ada keeps bees. They like clover.",
    "A red boat lies in the harbour, and nobody knows whose it is.",
    "Forty-two chairs stand in the hall.",
)


def tiny_hypernetwork(base: BaseLM) -> tuple[AssociativeConfig, AssociativeHypernetwork]:
    config = tiny_associative_config(base, 16)
    torch.manual_seed(1)
    hypernetwork = AssociativeHypernetwork(config).eval().to(base.device)
    torch.nn.init.constant_(hypernetwork.log_scale, 2.0)
    return config, hypernetwork


def save_tiny_task_hypernetwork(folder: Path, base: BaseLM, rank: int = 2) -> Path:
    """Save a random task hypernetwork that uses the base as its description encoder."""
    torch.manual_seed(0)
    shape = {"rank": rank, "lora_alpha": 256.0, "latent_size": 16, "head_input_size": 16, "hyper_init": False}
    config = task_config(base, BaseEncoder(base), **shape)
    TEXT_TO_LORA.save(folder, config, build_task_hypernetwork(config))
    return folder


def tiny_lorify(base: BaseLM | None = None, *, task_hypernetwork: Path | None = None) -> Lorify:
    base = base or tiny_base()
    config, hypernetwork = tiny_hypernetwork(base)
    return Lorify(
        base, AssociativeInternalizer(base, config, hypernetwork, name="tiny", digest="d1"), task_hypernetwork
    )


def perceiver_lorify(folder: Path, *, bias_adapter: bool = True) -> Lorify:
    """A tiny random base with a random hypernetwork of Doc-to-LoRA, saved in a folder."""
    base = tiny_base()
    theirs = AuthorsCheckpoint(base, modules=("down_proj",)).save(folder / "authors")
    config, hypernetwork = import_d2l(theirs, base)
    if not bias_adapter:
        config = config.model_copy(update={"bias_adapter": False})
        torch.manual_seed(0)
        hypernetwork = PerceiverHypernetwork(config)
    DOC_TO_LORA.save(folder / "ours", config, hypernetwork)
    return Lorify(base, load_internalizer(base, folder / "ours"))


def tiny_adapters(model: Lorify) -> list[Adapter]:
    return [model.internalize(document_from_text(text, f"doc{i}")) for i, text in enumerate(TEXTS)]
