"""An imported hypernetwork proves itself before its folder is handed over.

What was written is read again, makes an adapter of a probe and runs the base with it. The adapter has to do what the
checkpoint's own numbers say, the slow way: `scaling * (sum over chunk and bias adapter of B^T A)` for a Perceiver,
`scaling * B A` for a task hypernetwork.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lorify.adapters import build_lora_batch
from lorify.adapters.probes import probe_ids
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.errors import HypernetworkError
from lorify.hypernets.checkpoint import hypernetwork_digest, load_hypernetwork
from lorify.hypernets.doc_to_lora.internalizer import PerceiverInternalizer, load_context_encoder
from lorify.hypernets.doc_to_lora.network import PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.specializer import task_lora_batch
from lorify.hypernets.text_to_lora.checkpoint import load_task_hypernetwork
from lorify.hypernets.text_to_lora.network import TaskHypernetwork

PROBE_TEXT = "The harbour museum opens at ten. Its curator is Ada Quill, and it shows forty-two ships."
TOLERANCE = 1e-4


@torch.no_grad()
def check_imported(folder: Path, base: BaseLM, imported: PerceiverHypernetwork) -> float:
    """Compare a hypernetwork folder with the checkpoint it was made from.

    Args:
        folder: where `save_hypernetwork` wrote it.
        base: the base it is for.
        imported: the hypernetwork as it was read from the checkpoint.

    Returns:
        The largest change of a logit by the probe's adapter.

    Raises:
        HypernetworkError: if both differ, the update is not finite, or it changes nothing.
    """
    config, hypernetwork = load_hypernetwork(folder)
    assert isinstance(config, PerceiverConfig)
    assert isinstance(hypernetwork, PerceiverHypernetwork)
    encoder = load_context_encoder(base, config.encoder)
    digest = hypernetwork_digest(folder)
    made = PerceiverInternalizer(base, config, hypernetwork.to(base.device), folder.name, digest, encoder)
    original = PerceiverInternalizer(base, config, imported.to(base.device), folder.name, digest, encoder)
    probe = document_from_text(PROBE_TEXT, "probe")
    adapter = made.internalize([probe])
    chunks = original.split(probe)
    generated, bias = original.generate(chunks), imported.bias()
    for (layer, name), pair in adapter.weights.items():
        parts = [(generated[name].A[i, layer], generated[name].B[i, layer]) for i in range(len(chunks))]
        if bias is not None:
            parts.append((bias[name].A[0, layer], bias[name].B[0, layer]))
        wanted = config.scaling * sum((B.T @ A for A, B in parts), torch.zeros((), device=base.device))  # [out, in]
        found = adapter.scaling((layer, name)) * (pair.B @ pair.A)
        _check_update(found, wanted, layer, name)
    return _change_of_logits(base, build_lora_batch([adapter], base))


@torch.no_grad()
def check_imported_tasks(folder: Path, base: BaseLM, imported: TaskHypernetwork) -> float:
    """The same for a task hypernetwork; a fixed embedding stands for that of a description.

    So the description encoder, which may be large, need not be at hand.
    """
    config, hypernetwork = load_task_hypernetwork(folder)
    embedding = torch.arange(config.embedding_size, device=base.device).float().cos().unsqueeze(0)  # [1, e]
    batch = task_lora_batch(config, hypernetwork.to(base.device)(embedding).weights)
    original = imported.eval().to(base.device)(embedding).weights
    for name, stack in original.items():
        for layer, A, B in zip(config.layers, stack.A[0], stack.B[0], strict=True):
            made = batch[layer, name]
            _check_update(made.B[0].T @ made.A[0], config.scaling * (B @ A), layer, name)  # [out, in]
    return _change_of_logits(base, batch)


def _check_update(found: Tensor, wanted: Tensor, layer: int, name: str) -> None:
    if not _close(found, wanted):
        raise HypernetworkError(
            f"the import is not what the checkpoint says at {name} of block {layer}: the probe's update is off "
            f"by {(found - wanted).abs().max():.2g}; nothing was kept; please report it"
        )


def _close(found: Tensor, wanted: Tensor) -> bool:
    return bool(torch.isfinite(found).all()) and torch.allclose(
        found, wanted, rtol=0, atol=TOLERANCE * float(wanted.abs().max())
    )


def _change_of_logits(base: BaseLM, batch: LoraBatch | None) -> float:
    probe = probe_ids(base)
    logits = []
    for lora in (batch, None):
        with base.hooks.applied(lora):
            logits.append(base.model(input_ids=probe, use_cache=False).logits.float())
    change = float((logits[0] - logits[1]).abs().max())
    if not 0 < change < float("inf"):
        raise HypernetworkError(
            f"the imported hypernetwork's adapters change the probe's logits by {change}; its checkpoint was not "
            "trained, or is damaged; give another"
        )
    return change
