"""`import`: a published checkpoint becomes a hypernetwork folder, a PEFT adapter becomes an adapter folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Base, Json, Output, check_adapter_output, load_base_model, save_new_adapter
from lorify.commands.terminal import print_json, print_line, show_spinner, stderr
from lorify.errors import AdapterError, HypernetworkError


def import_checkpoint(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_OR_FILE", help="The checkpoint or PEFT adapter, its folder, or org/name[/folder][@revision]."
        ),
    ],
    output: Output,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Import a checkpoint of the papers' authors, or a LoRA adapter that PEFT saved.

    A PEFT adapter becomes an adapter folder, for ask, chat, serve and merge; it has to be plain LoRA.
    A checkpoint becomes a hypernetwork folder. Text-to-LoRA: a folder with hypermod.pt, args.yaml and
    adapter_config.json. The checkpoint names its base; --base gives another location of that base.
    Doc-to-LoRA: pytorch_model.bin, its folder, or the folder of the run with checkpoint-STEP and args.yaml in it.

    Example: lorify import downloads/t2l-mistral -o t2l-mistral --base mistralai/Mistral-7B-Instruct-v0.2
    """
    from lorify.adapters.exports.peft import find_peft_folder
    from lorify.hypernets.importing.conversion import convert_checkpoint, find_kind_of_checkpoint, is_checkpoint
    from lorify.hypernets.importing.on_hub import checkpoint_folder

    checkpoint = checkpoint_folder(checkpoint)
    peft_folder = None if is_checkpoint(checkpoint) else find_peft_folder(checkpoint)
    if peft_folder is not None:
        _import_adapter(peft_folder, output, base, as_json)
        return
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


def _import_adapter(folder: Path, output: Path, base: str | None, as_json: bool) -> None:
    from lorify.adapters.exports.peft import import_peft, peft_base_name

    check_adapter_output(output)
    name = peft_base_name(folder) if base is None else base
    if name is None:
        raise AdapterError(f"PEFT adapter {folder} does not name its base; give it with --base")
    loaded = load_base_model(name)
    with show_spinner(f"importing {folder}"):
        adapter = import_peft(folder, loaded)
    save_new_adapter(adapter, output)
    if as_json:
        print_json(
            {"adapter": str(output), "base": loaded.name, "rank": adapter.rank, "lora_alpha": adapter.lora_alpha}
        )
    else:
        print_line(str(output))
