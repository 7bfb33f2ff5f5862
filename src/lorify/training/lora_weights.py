"""Trained LoRA weights of all adapted blocks: as updates of a batch, and as an adapter."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lorify.adapters import Adapter, LoraPair, Provenance
from lorify.adapters.adapter import lora_scaling, lorify_version
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.text_to_lora.lora_table import LoraTable
from lorify.hypernets.training_config import LoraSettings


def settings_scaling(settings: LoraSettings) -> float:
    """Return the factor of the updates `B A`: `lora_alpha / rank`, or `lora_alpha / sqrt(rank)` with `use_rslora`."""
    return lora_scaling(settings.lora_alpha, settings.rank, use_rslora=settings.use_rslora)


def new_table(settings: LoraSettings, base: BaseLM, layers: Sequence[int], seed: int) -> LoraTable:
    """Build a LoRA as PEFT initializes it: A random, B zero; the same seed gives the same weights.

    Args:
        settings: adapted modules and rank.
        base: the base with these modules.
        layers: adapted blocks.
        seed: seed of A.
    """
    table = LoraTable(adapted_modules(base, layers, settings.modules), len(layers), settings.rank, learned=True)
    torch.manual_seed(seed)
    table.initialize()
    return table


def build_table_batch(settings: LoraSettings, layers: Sequence[int], tables: Sequence[LoraTable]) -> LoraBatch:
    """Build the updates of a batch from the LoRA of each row; gradients reach the tables.

    Args:
        settings: adapted modules and scaling.
        layers: adapted blocks, as in the tables.
        tables: the LoRA of each row.
    """
    scaling = settings_scaling(settings)
    batch: dict[tuple[int, str], LoraTensors] = {}
    for name in settings.modules:
        A = torch.stack([table.A[name] for table in tables])  # [rows, L, r, i]
        B = torch.stack([table.B[name] for table in tables]).transpose(-1, -2) * scaling  # [rows, L, r, o]
        for layer, a, b in zip(layers, A.unbind(1), B.unbind(1), strict=True):
            batch[layer, name] = LoraTensors(a, b)
    return batch


def copy_to_adapter(
    settings: LoraSettings,
    layers: Sequence[int],
    table: LoraTable,
    base: BaseLM,
    trained_on: str,
    *,
    in_published_chat: bool = False,
) -> Adapter:
    """Copy a LoRA into an adapter.

    Args:
        settings: its settings.
        layers: the adapted blocks.
        table: its weights.
        base: the base that it was trained with.
        trained_on: what it was trained on, for its provenance.
        in_published_chat: whether it was trained with Text-to-LoRA's chat format.
    """
    weights = {
        (layer, module): LoraPair(table.A[module][i].detach().clone(), table.B[module][i].detach().clone())
        for module in settings.modules
        for i, layer in enumerate(layers)
    }
    provenance = Provenance(
        base_name=base.name,
        base_digest=base.digest,
        hypernetwork=f"LoRA trained on {trained_on}",
        has_published_chat=in_published_chat,
        lorify_version=lorify_version(),
    )
    return Adapter(weights, settings_scaling(settings) * settings.rank, provenance)
