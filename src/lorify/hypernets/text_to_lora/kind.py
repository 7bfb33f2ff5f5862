"""The registry entry of the Text-to-LoRA hypernetwork."""

from __future__ import annotations

import torch

from lorify.base.model import BaseLM
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.importing.probe import check_update, logit_change
from lorify.hypernets.kind import HypernetworkKind, Importer
from lorify.hypernets.text_to_lora.authors_files import WEIGHTS_NAME, named_base
from lorify.hypernets.text_to_lora.config import TaskConfig
from lorify.hypernets.text_to_lora.importer import import_t2l
from lorify.hypernets.text_to_lora.network import TaskHypernetwork, build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import load_embedding_specializer, task_lora_batch
from lorify.hypernets.weight_storage import packed_weights


@torch.no_grad()
def check_imported(
    base: BaseLM, converted: LoadedHypernetwork[TaskConfig, TaskHypernetwork], imported: TaskHypernetwork
) -> float:
    """Compare `scaling * B A` of both networks for one embedding, and return the largest change of a logit.

    The embedding is made up, so that the description encoder, which may be large, is not needed.

    Raises:
        HypernetworkError: if the updates differ, are not finite, or change nothing.
    """
    config = converted.config
    embedding = torch.arange(config.embedding_size, device=base.device).float().cos().unsqueeze(0)  # [1, e]
    batch = task_lora_batch(config, converted.network(embedding).weights)
    original = imported.eval().to(base.device)(embedding).weights
    for name, stack in original.items():
        for layer, A, B in zip(config.layers, stack.A[0], stack.B[0], strict=True):
            found = batch[layer, name]
            check_update(found.B[0].T @ found.A[0], config.scaling * (B @ A), layer, name)  # [out, in]
    return logit_change(base, batch)


def _describe(config: TaskConfig) -> dict[str, object]:
    return {"embedder": config.embedder_name}


TEXT_TO_LORA = HypernetworkKind(
    name="task",
    config=TaskConfig,
    build=build_task_hypernetwork,
    load_specializer=load_embedding_specializer,
    store=packed_weights,
    importer=Importer(
        source="Text-to-LoRA",
        marker=WEIGHTS_NAME,
        named_base=named_base,
        read=import_t2l,
        check=check_imported,
        describe=_describe,
    ),
)
