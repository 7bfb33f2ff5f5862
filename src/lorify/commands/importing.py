"""`import`: a checkpoint that a paper's authors published becomes a hypernetwork folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Base, Json, Output, load_base_model
from lorify.commands.terminal import print_json, print_line, show_spinner, stderr
from lorify.errors import HypernetworkError


def import_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR_OR_FILE", help="The checkpoint, or its folder.")],
    output: Output,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Import a checkpoint of the papers' authors.

    The checkpoint becomes a hypernetwork folder. Text-to-LoRA: a folder with hypermod.pt, args.yaml and
    adapter_config.json. The checkpoint names its base; --base gives another location of that base.
    Doc-to-LoRA: pytorch_model.bin, its folder, or the folder of the run with checkpoint-STEP and args.yaml in it.

    Example: lorify import downloads/t2l-mistral -o t2l-mistral --base mistralai/Mistral-7B-Instruct-v0.2
    """
    from lorify.hypernets.importing.conversion import convert_checkpoint, find_kind_of_checkpoint

    kind, importer = find_kind_of_checkpoint(checkpoint)
    name = base or importer.named_base(checkpoint)
    if name is None:
        raise HypernetworkError(f"checkpoint {checkpoint} does not name its base; give it with --base")
    loaded = load_base_model(name)
    with show_spinner(f"importing {checkpoint}"):
        conversion = convert_checkpoint(kind, checkpoint, loaded, output)
    if conversion.warning is not None:
        stderr().print(f"warning: {conversion.warning}", markup=False, style="yellow")
    if as_json:
        print_json({"hypernetwork": str(output), "kind": importer.source, "base": loaded.name, **conversion.details})
    else:
        print_line(str(output))
