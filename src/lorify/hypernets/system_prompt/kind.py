"""The registry entry of the system message hypernetwork."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lorify.hypernets.kind import HypernetworkKind
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.key_values import FILE_NAME as KEY_VALUES_FILE
from lorify.hypernets.system_prompt.network import SystemMessageHypernetwork
from lorify.hypernets.system_prompt.specializer import load_system_message_specializer
from lorify.hypernets.weight_storage import exact_weights, packed_weights

OUTPUT_FIRST = ("shared.A",)
"""Prefix of the names of weights that become the `A` of adapters."""


def _store(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Exact: with rounding, the row for one slot would also respond to the other slots.
    slots = {name: tensor for name, tensor in weights.items() if name == "slot_A"}
    others = {name: tensor for name, tensor in weights.items() if name != "slot_A"}
    return packed_weights(others, output_first=OUTPUT_FIRST) | exact_weights(slots)


SYSTEM_PROMPT = HypernetworkKind(
    name="system_message",
    config=SystemMessageConfig,
    build=SystemMessageHypernetwork,
    load_specializer=load_system_message_specializer,
    store=_store,
    more_files=frozenset({KEY_VALUES_FILE}),
)
