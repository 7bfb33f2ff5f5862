"""lorify: documents become LoRA adapters in one forward pass of a hypernetwork.

The public API is loaded on first use, so that `import lorify` is quick.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lorify.adapters import Adapter
    from lorify.contexts.documents import Document, document_from_text
    from lorify.facade import Lorify
    from lorify.hypernets.task_refinement.task_examples import TaskExample
    from lorify.loading import load, load_router, specialize

__all__ = ["Adapter", "Document", "Lorify", "TaskExample", "document_from_text", "load", "load_router", "specialize"]

_MODULES = {
    "Adapter": "lorify.adapters",
    "Document": "lorify.contexts.documents",
    "Lorify": "lorify.facade",
    "TaskExample": "lorify.hypernets.task_refinement.task_examples",
    "document_from_text": "lorify.contexts.documents",
    "load": "lorify.loading",
    "load_router": "lorify.loading",
    "specialize": "lorify.loading",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'lorify' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
