"""The adapter itself: apply it to a running base (a different one per row), combine, scale, store, export."""

from lorify.adapters.adapter import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.batching import AdapterRow, build_lora_batch

__all__ = ["Adapter", "AdapterRow", "DocumentRecord", "LoraPair", "Provenance", "build_lora_batch"]
