"""The registry entry of the associative hypernetwork."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lorify.base.model import BaseLM
from lorify.hypernets.associative.document_memory import kept_of
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.checkpoint import LoadedHypernetwork
from lorify.hypernets.kind import HypernetworkKind
from lorify.hypernets.relevance import Relevance, load_relevance, save_relevance
from lorify.hypernets.weight_storage import packed_weights

OUTPUT_FIRST = ("query", "bias_A")
"""Prefixes of the names of weights that become the `A` of adapters."""


def save_associative(
    folder: Path, config: AssociativeConfig, network: AssociativeHypernetwork, *, relevance: Relevance | None = None
) -> None:
    """Write an associative hypernetwork and its relevance, if it has one; see `HypernetworkKind.save`."""

    def write_relevance(temporary: Path) -> None:
        if relevance is not None:
            save_relevance(temporary, relevance)

    ASSOCIATIVE.save(folder, config, network, write_more=write_relevance)


def _store(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return packed_weights(weights, output_first=OUTPUT_FIRST)


def _load_internalizer(
    base: BaseLM, loaded: LoadedHypernetwork[AssociativeConfig, AssociativeHypernetwork]
) -> AssociativeInternalizer:
    relevance = load_relevance(loaded.folder)
    return AssociativeInternalizer(
        base, loaded.config, loaded.network, name=loaded.name, digest=loaded.digest, relevance=relevance
    )


ASSOCIATIVE = HypernetworkKind(
    name="associative",
    config=AssociativeConfig,
    build=AssociativeHypernetwork,
    load_internalizer=_load_internalizer,
    store=_store,
    kept_of=kept_of,
)
