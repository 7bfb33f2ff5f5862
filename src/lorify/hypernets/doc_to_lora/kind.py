"""The registry entry of the Doc-to-LoRA hypernetwork."""

from __future__ import annotations

from pathlib import Path

import torch

from lorify.adapters import build_lora_batch
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.doc_to_lora.authors_files import WEIGHTS_NAME, named_base
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.generation import load_context_encoder
from lorify.hypernets.doc_to_lora.importer import import_d2l
from lorify.hypernets.doc_to_lora.internalizer import PerceiverInternalizer
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.releases import named_architecture
from lorify.hypernets.importing.probe import PROBE_DOCUMENT, check_update, logit_change
from lorify.hypernets.kind import HypernetworkKind, Importer


@torch.no_grad()
def check_imported(
    base: BaseLM, converted: LoadedHypernetwork[PerceiverConfig, PerceiverHypernetwork], imported: PerceiverHypernetwork
) -> float:
    """Compare an adapter of the converted hypernetwork with the checkpoint's own weights.

    The update of each linear layer must be `scaling * (sum of B^T A over chunks and bias adapter)`.

    Returns:
        The largest change that the adapter makes to a logit.

    Raises:
        HypernetworkError: if the updates differ, are not finite, or change nothing.
    """
    config, name, digest = converted.config, converted.name, converted.digest
    encoder = load_context_encoder(base, config.encoder)
    internalizer = PerceiverInternalizer(base, config, converted.network, name, digest, encoder)
    original = PerceiverInternalizer(base, config, imported.to(base.device), name, digest, encoder)
    probe = document_from_text(PROBE_DOCUMENT, "probe")
    adapter = internalizer.internalize([probe])
    chunks = original.split(probe)
    generated, bias = original.generate(chunks), imported.bias()
    for (layer, module), pair in adapter.weights.items():
        parts = [(generated[module].A[i, layer], generated[module].B[i, layer]) for i in range(len(chunks))]
        if bias is not None:
            parts.append((bias[module].A[0, layer], bias[module].B[0, layer]))
        expected = config.scaling * sum((B.T @ A for A, B in parts), torch.zeros((), device=base.device))  # [out, in]
        check_update(adapter.scaling((layer, module)) * (pair.B @ pair.A), expected, layer, module)
    return logit_change(base, build_lora_batch([adapter], base))


def _load_internalizer(
    base: BaseLM, loaded: LoadedHypernetwork[PerceiverConfig, PerceiverHypernetwork]
) -> PerceiverInternalizer:
    encoder = load_context_encoder(base, loaded.config.encoder)
    return PerceiverInternalizer(base, loaded.config, loaded.network, loaded.name, loaded.digest, encoder)


def _describe(config: PerceiverConfig) -> dict[str, object]:
    return {"encoder": config.encoder.kind, "chunk_tokens": config.chunk_tokens}


def _find_doubts(path: Path, base: BaseLM) -> str | None:
    trained_for = named_base(path)
    if trained_for == base.name or named_architecture(trained_for) is not None:
        return None
    return (
        f"the checkpoint was trained for {trained_for}, and only the sizes of that model are known: make sure that "
        f"base {base.name}, a {type(base.model).__name__}, is the same model"
    )


DOC_TO_LORA = HypernetworkKind(
    name="perceiver",
    config=PerceiverConfig,
    build=PerceiverHypernetwork,
    load_internalizer=_load_internalizer,
    importer=Importer(
        source="Doc-to-LoRA",
        marker=WEIGHTS_NAME,
        named_base=named_base,
        read=import_d2l,
        check=check_imported,
        describe=_describe,
        find_doubts=_find_doubts,
    ),
)
