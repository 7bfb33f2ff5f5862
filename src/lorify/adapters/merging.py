"""Merge adapters into one adapter, or into the weights of their base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from lorify.adapters.adapter import Adapter, Key, LoraPair, Provenance, ScaledAdapters, lorify_version, scaled_pairs
from lorify.adapters.probes import agree, probe_logits, run_probe
from lorify.adapters.stack import AdapterStack
from lorify.atomic import apply_default_permissions, check_replaceable, replaced_folder, reported_write_errors
from lorify.base.lora import stack_ranks
from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

MERGE_RECORD_NAME = "merged_by_lorify.json"


class MergedAdapter(BaseModel):
    """An adapter in a merged model."""

    documents: tuple[str, ...] = Field(description="Names of its documents.")
    scale: float = Field(description="Its scale.")


class MergeRecord(BaseModel):
    """What a merged model was made from; another merge may replace its folder."""

    base_name: str = Field(description="Name of the base.")
    base_digest: str = Field(description="SHA-256 of the base's weights.")
    adapters: tuple[MergedAdapter, ...] = Field(description="The merged adapters.")
    files: tuple[str, ...] = Field(description="Files of the merged model.")


def merge_adapters(adapters: ScaledAdapters) -> Adapter:
    """Merge adapters into one whose update is their scaled sum.

    Pairs with the same `A` keep their rank and have their `B` summed. Otherwise ranks are stacked, and `lora_alpha`
    grows with them. The result is in float32. It has no statistics: a hypernetwork would rebuild it by solving for all
    documents jointly, which differs from the sum of the adapters.

    Args:
        adapters: pairs of (adapter, scale); at least one.

    Raises:
        AdapterError: if `adapters` is empty, or they were made for different bases.
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
    adapters = [(adapter.with_held_weights(), scale) for adapter, scale in adapters]
    keys = sorted({key for adapter, _ in adapters for key in adapter.weights})
    sums = {key: scaled_pairs(adapters, key) for key in keys}
    ranks = {key: sum(pair.rank for pair in pairs) for key, pairs in sums.items()}
    lora_alpha = first.lora_alpha / first.rank * max(ranks.values())
    weights = {key: _stack(pairs, ranks[key] / lora_alpha) for key, pairs in sums.items()}
    return Adapter(weights, lora_alpha, _merged_provenance(adapters))


def merge_into_base(base: BaseLM, adapters: Adapter | ScaledAdapters, folder: Path) -> None:
    """Write a copy of the base with adapters merged into its weights, as a Hugging Face folder with the tokenizer.

    The update is added in float32 and rounded to the base's dtype. The running base is not changed. The written model
    is loaded on the CPU and compared on a probe prompt before it is moved to `folder`.

    Args:
        base: the base.
        adapters: one adapter, or several with their scales.
        folder: folder to write; an earlier merged model is replaced atomically.

    Raises:
        AdapterError: if an adapter does not fit the base, `folder` holds other files or cannot be written, or the
            written model and the base with the adapters give different logits.
    """
    given: ScaledAdapters = ((adapters, 1.0),) if isinstance(adapters, Adapter) else adapters
    for adapter, _ in given:
        adapter.check_base(base)
    rows = [(adapter.with_held_weights(), scale) for adapter, scale in given]
    with (
        reported_write_errors(folder, AdapterError),
        replaced_folder(folder, _owned(folder), AdapterError) as temporary,
    ):
        state = dict(base.model.state_dict())
        for key in {key for adapter, _ in rows for key in adapter.weights}:
            state[f"{base.module_path(*key)}.weight"] = _merged_weight(base, rows, key)
        base.model.save_pretrained(temporary, state_dict=state)
        base.tokenizer.save_pretrained(temporary)
        for path in temporary.glob("*.safetensors"):
            apply_default_permissions(path)
        _check_merged(base, rows, temporary)
        _write_record(temporary, base, rows)


def check_merge_output(folder: Path, base: str | None = None) -> None:
    """Check, before any work is done, that `merge_into_base` may write a folder.

    Args:
        folder: the folder.
        base: name or folder of the base to merge into, if already known.

    Raises:
        AdapterError: if it is a file, contains files that no earlier merge wrote, or is the folder of the base.
    """
    if base is not None and Path(base).resolve() == folder.resolve():
        raise AdapterError(f"{folder} is the base that is merged into; give another folder to write")
    check_replaceable(folder, _owned(folder), AdapterError)


def _write_record(folder: Path, base: BaseLM, rows: ScaledAdapters) -> None:
    """Record what was merged and which files were written, so that a later merge may replace them."""
    adapters = [
        MergedAdapter(documents=tuple(d.name for d in adapter.provenance.documents), scale=scale)
        for adapter, scale in rows
    ]
    files = tuple(sorted(path.name for path in folder.iterdir()))
    record = MergeRecord(base_name=base.name, base_digest=base.digest, adapters=tuple(adapters), files=files)
    (folder / MERGE_RECORD_NAME).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _owned(folder: Path) -> set[str]:
    """Names of the files in a folder that an earlier merge wrote."""
    try:
        record = MergeRecord.model_validate_json((folder / MERGE_RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no merged model, or one whose files are not known
        return set()
    return {MERGE_RECORD_NAME, *record.files}


def _stack(pairs: Sequence[LoraPair], factor: float) -> LoraPair:
    """Stack the ranks of several pairs into one pair, with `B` multiplied by `factor`."""
    A, B = stack_ranks([(pair.A.float(), pair.B) for pair in pairs])
    return LoraPair(A, B * factor)


def _merged_weight(base: BaseLM, adapters: ScaledAdapters, key: Key) -> Tensor:
    weight = base.linear_keys[key].weight
    merged = weight.detach().float()
    for pair in scaled_pairs(adapters, key):
        merged = merged + (pair.B @ pair.A.to(pair.B)).to(merged.device)
    return merged.to(weight.dtype)


@torch.no_grad()
def _check_merged(base: BaseLM, rows: ScaledAdapters, folder: Path) -> None:
    """Refuse a merged model whose logits differ from those of the base with the adapters."""
    merged = type(base.model).from_pretrained(folder, dtype=base.dtype).eval()
    if not agree(run_probe(merged, base), probe_logits(base, AdapterStack(tuple(rows))), base.dtype):
        raise AdapterError(
            "the merged model gives other logits for a probe prompt than the base with the adapters (do the adapters "
            "contain NaN or infinite values?); make the adapters again"
        )


def _merged_provenance(adapters: ScaledAdapters) -> Provenance:
    sources = [adapter.provenance for adapter, _ in adapters]
    digests = {provenance.hypernetwork_digest for provenance in sources}
    return Provenance(
        base_name=sources[0].base_name,
        base_digest=sources[0].base_digest,
        hypernetwork=" + ".join(dict.fromkeys(provenance.hypernetwork for provenance in sources)),
        hypernetwork_digest=digests.pop() if len(digests) == 1 else None,
        documents=tuple(document for provenance in sources for document in provenance.documents),
        num_examples=sum(provenance.num_examples for provenance in sources),
        needs_default_system_message=any(provenance.needs_default_system_message for provenance in sources),
        has_published_chat=any(provenance.has_published_chat for provenance in sources),
        lorify_version=lorify_version(),
    )
