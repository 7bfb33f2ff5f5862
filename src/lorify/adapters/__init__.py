"""Adapters: apply them to a running base row by row, and combine, scale, store and export them.

Names are imported on first use, so the command line can list export formats without loading torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "Adapter": "adapter",
    "AdapterLike": "stack",
    "AdapterStack": "stack",
    "DocumentRecord": "adapter",
    "LoraPair": "adapter",
    "Provenance": "adapter",
    "build_lora_batch": "batching",
    "export_peft": "exports.peft",
    "import_peft": "exports.peft",
    "load_adapter": "storage",
    "merge_adapters": "merging",
    "merge_into_base": "merging",
    "save_adapter": "storage",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'lorify.adapters' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lorify.adapters.{_MODULES[name]}"), name)
