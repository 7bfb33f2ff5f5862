"""Several adapters as one, and adapters made part of the base's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lorify.adapters.adapter import Adapter, Key, LoraPair, Provenance, ScaledAdapters, lorify_version, scaled_pairs
from lorify.adapters.probes import agree, probe_ids, probe_logits
from lorify.adapters.stack import AdapterStack
from lorify.atomic import apply_default_permissions, replaced_folder, reported_write_errors
from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM


def merge_adapters(adapters: ScaledAdapters) -> Adapter:
    """One adapter whose update is the sum of the given ones, each times its scale.

    Where the adapters share `A` their `B` are summed and the rank stays; otherwise ranks are stacked, and `lora_alpha`
    grows with them. The result is in float32. It has no statistics: a hypernetwork that rebuilt it from those of its
    parts would solve for them together, which is not their sum.

    Args:
        adapters: (adapter, scale); at least one.

    Raises:
        AdapterError: if there is none, or they were made for different bases.
    """
    if not adapters:
        raise AdapterError("there is no adapter to merge; give at least one")
    first = adapters[0][0]
    for adapter, _ in adapters:
        if adapter.provenance.base_digest != first.provenance.base_digest:
            raise AdapterError(
                f"adapters for {first.provenance.base_name} and {adapter.provenance.base_name} cannot be merged: "
                "their bases have different weights; merge adapters of one base"
            )
    keys = sorted({key for adapter, _ in adapters for key in adapter.weights})
    sums = {key: scaled_pairs(adapters, key) for key in keys}
    ranks = {key: sum(pair.rank for pair in pairs) for key, pairs in sums.items()}
    lora_alpha = first.lora_alpha / first.rank * max(ranks.values())
    weights = {key: _stack(pairs, ranks[key] / lora_alpha) for key, pairs in sums.items()}
    return Adapter(weights, lora_alpha, _merged_provenance(adapters))


def merge_into_base(base: BaseLM, adapters: Adapter | ScaledAdapters, folder: Path) -> None:
    """Write a copy of the base with adapters in its weights, as a Hugging Face model folder with its tokenizer.

    The update is added in float32 and rounded to the base's dtype. The running base is not changed. Before the folder
    takes its place it is loaded, in the processor's memory, and the logits of a probe prompt are compared.

    Args:
        base: the base.
        adapters: what to merge: one adapter, or several, each with its scale.
        folder: where to; it may exist if it is empty.

    Raises:
        AdapterError: if an adapter does not fit the base, `folder` is not empty or cannot be written, or what was
            written answers otherwise than the base with the adapters.
    """
    rows: ScaledAdapters = ((adapters, 1.0),) if isinstance(adapters, Adapter) else adapters
    for adapter, _ in rows:
        adapter.check_base(base)
    with reported_write_errors(folder, AdapterError), replaced_folder(folder, (), AdapterError) as temporary:
        state = dict(base.model.state_dict())
        for key in {key for adapter, _ in rows for key in adapter.weights}:
            state[f"{base.module_path(*key)}.weight"] = _merged_weight(base, rows, key)
        base.model.save_pretrained(temporary, state_dict=state)
        base.tokenizer.save_pretrained(temporary)
        for path in temporary.glob("*.safetensors"):
            apply_default_permissions(path)
        _check_merged(base, rows, temporary)


def _stack(pairs: Sequence[LoraPair], factor: float) -> LoraPair:
    """One pair from several, ranks stacked, `B` times `factor`."""
    A = torch.cat([pair.A.float() for pair in pairs])  # [R, d_in]
    B = torch.cat([pair.B.to(A.device) for pair in pairs], dim=1)  # [d_out, R]
    return LoraPair(A, B * factor)


def _merged_weight(base: BaseLM, adapters: ScaledAdapters, key: Key) -> Tensor:
    weight = base.linear_keys[key].weight
    merged = weight.detach().float()
    for pair in scaled_pairs(adapters, key):
        merged = merged + (pair.B @ pair.A.to(pair.B)).to(merged.device)
    return merged.to(weight.dtype)


@torch.no_grad()
def _check_merged(base: BaseLM, rows: ScaledAdapters, folder: Path) -> None:
    """Refuse a merged model that answers otherwise than the base with the adapters."""
    merged = type(base.model).from_pretrained(folder, dtype=base.dtype).eval()
    logits = merged(input_ids=probe_ids(base).cpu(), use_cache=False).logits
    if not agree(logits, probe_logits(base, AdapterStack(tuple(rows))), base.dtype):
        raise AdapterError(
            "the merged model gives other logits for a probe prompt than the base with the adapters (are there numbers "
            "in them that are not finite?); make the adapters again"
        )


def _merged_provenance(adapters: ScaledAdapters) -> Provenance:
    made = [adapter.provenance for adapter, _ in adapters]
    digests = {provenance.hypernetwork_digest for provenance in made}
    return Provenance(
        base_name=made[0].base_name,
        base_digest=made[0].base_digest,
        hypernetwork=" + ".join(dict.fromkeys(provenance.hypernetwork for provenance in made)),
        hypernetwork_digest=digests.pop() if len(digests) == 1 else None,
        documents=tuple(document for provenance in made for document in provenance.documents),
        lorify_version=lorify_version(),
    )
