"""Config keys of lorify 0.1 that no longer have any meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READING_KEYS = ("reading_first_layer", "reading_last_layer", "reading_layers", "reading_modules", "reading_rank")
"""Config keys of lorify 0.1 for a static LoRA on attention layers, which no published hypernetwork has."""


def drop_reading_keys(document: Any) -> Any:
    """Drop the keys of a static LoRA on attention layers from a config of lorify 0.1.

    Raises:
        ValueError: if the config asks for such a LoRA.
    """
    if not isinstance(document, Mapping):
        return document
    if document.get("reading_modules"):
        raise ValueError(
            "reading_modules was removed in lorify 0.2: there is no static LoRA on attention layers; leave it out"
        )
    return {key: value for key, value in document.items() if key not in READING_KEYS}
