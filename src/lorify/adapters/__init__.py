"""The adapter itself: apply it to a running base (a different one per row), combine, scale, store, export."""

from lorify.adapters.adapter import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.batching import build_lora_batch
from lorify.adapters.exports.peft import export_peft, import_peft
from lorify.adapters.merging import merge_adapters, merge_into_base
from lorify.adapters.stack import AdapterLike, AdapterStack
from lorify.adapters.storage import load_adapter, save_adapter

__all__ = [
    "Adapter",
    "AdapterLike",
    "AdapterStack",
    "DocumentRecord",
    "LoraPair",
    "Provenance",
    "build_lora_batch",
    "export_peft",
    "import_peft",
    "load_adapter",
    "merge_adapters",
    "merge_into_base",
    "save_adapter",
]
