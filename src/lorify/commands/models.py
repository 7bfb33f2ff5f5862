"""`models`: list the available base models."""

from __future__ import annotations

from lorify.commands.options import Json
from lorify.commands.terminal import print_json, print_line


def models(as_json: Json = False) -> None:
    """List the base models that can be loaded.

    Bases with a short name come first. For each it shows whether the base is on this machine, and whether hypernetworks
    for documents and for tasks ship for it.

    Example: lorify models
    """
    from lorify.base.architectures import ARCHITECTURES
    from lorify.base.files.locate import known_bases
    from lorify.shipped import SHIPPED_HYPERNETWORKS, shipped_task_hypernetwork

    bases = [
        {
            "name": known.name,
            "description": known.description,
            "cached": known.cached,
            "hypernetwork": known.name in SHIPPED_HYPERNETWORKS and SHIPPED_HYPERNETWORKS[known.name].is_dir(),
            "task_hypernetwork": shipped_task_hypernetwork(known.name) is not None,
        }
        for known in known_bases()
    ]
    if as_json:
        print_json({"bases": bases, "architectures": list(ARCHITECTURES)})
        return
    for base in bases:
        here = "here" if base["cached"] else "fetched on first use"
        print_line(f"{base['name']}  {base['description']}; {here}")
        shipped = [
            what
            for key, what in (("hypernetwork", "documents"), ("task_hypernetwork", "task descriptions"))
            if base[key]
        ]
        support = (
            f"ships with a hypernetwork for {' and one for '.join(shipped)}" if shipped else "no hypernetwork ships"
        )
        print_line(f"{'':<{len(base['name'])}}  {support}")
    print_line(
        "\nor a Hugging Face id, folder or GGUF file of any decoder-only model of transformers with linear layers, with"
    )
    print_line("a hypernetwork of your own (lorify train). Known by name, which adds GGUF exports or faster decoding:")
    for architecture in ARCHITECTURES:
        print_line(f"  {architecture}")
