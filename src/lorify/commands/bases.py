"""`models`: which base models are at hand."""

from __future__ import annotations

from lorify.commands.options import Json
from lorify.commands.terminal import say_json, say_line


def models(as_json: Json = False) -> None:
    """List the base models that a hypernetwork ships for, and what else can be loaded.

    Example: lorify models
    """
    from lorify.base.model import SUPPORTED_ARCHITECTURES
    from lorify.facade import SHIPPED_HYPERNETWORKS

    bases = [{"name": name, "hypernetwork": str(path)} for name, path in SHIPPED_HYPERNETWORKS.items()]
    if as_json:
        say_json({"bases": bases, "architectures": SUPPORTED_ARCHITECTURES})
        return
    for base in bases:
        say_line(f"{base['name']}  hypernetwork {base['hypernetwork']}")
    say_line("\nAny Hugging Face id, folder or GGUF file of these can be a base, with a hypernetwork of your own:")
    for architecture in SUPPORTED_ARCHITECTURES:
        say_line(f"  {architecture}")
