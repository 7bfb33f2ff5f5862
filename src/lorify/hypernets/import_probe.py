"""An imported Perceiver proves itself before its folder is handed over.

What was written is read again, makes an adapter of a probe context and runs the base with it. The adapter has to do
what the checkpoint's own numbers say, the slow way: `scaling * (sum over chunk and bias adapter of B^T A)`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.model import BaseModel
from lorify.contexts.documents import document_from_text
from lorify.errors import HypernetworkError
from lorify.hypernets.perceiver import PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.perceiver_internalize import PerceiverInternalizer, load_context_encoder
from lorify.hypernets.storage import hypernetwork_digest, load_hypernetwork

PROBE_TEXT = "The harbour museum opens at ten. Its curator is Ada Quill, and it shows forty-two ships."
PROBE_TOKENS = 8
TOLERANCE = 1e-4


@torch.no_grad()
def check_imported(folder: Path, base: BaseModel, imported: PerceiverHypernetwork) -> float:
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
    config, hypernet = load_hypernetwork(folder)
    assert isinstance(config, PerceiverConfig)
    assert isinstance(hypernet, PerceiverHypernetwork)
    encoder = load_context_encoder(base, config.encoder)
    digest = hypernetwork_digest(folder)
    made = PerceiverInternalizer(base, config, hypernet.to(base.device), folder.name, digest, encoder)
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
        if not _close(found, wanted):
            raise HypernetworkError(
                f"the import is not what the checkpoint says at {name} of block {layer}: the probe's update is off "
                f"by {(found - wanted).abs().max():.2g}; nothing was kept; please report it"
            )
    return _change_of_logits(base, adapter)


def _close(found: Tensor, wanted: Tensor) -> bool:
    return bool(torch.isfinite(found).all()) and torch.allclose(
        found, wanted, rtol=0, atol=TOLERANCE * max(1.0, float(wanted.abs().max()))
    )


def _change_of_logits(base: BaseModel, adapter: Adapter) -> float:
    probe = torch.arange(PROBE_TOKENS, device=base.device).unsqueeze(0)
    logits = []
    for row in (adapter, None):
        with base.hooks.applied(build_lora_batch([row], base)):
            logits.append(base.model(input_ids=probe, use_cache=False).logits.float())
    change = float((logits[0] - logits[1]).abs().max())
    if not 0 < change < float("inf"):
        raise HypernetworkError(
            f"the imported hypernetwork's adapters change the probe's logits by {change}; its checkpoint was not "
            "trained, or is damaged; give another"
        )
    return change
