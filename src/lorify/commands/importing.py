"""`import`: checkpoints of the papers' authors become hypernetwork folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Base, Json, Output, load_base_model
from lorify.commands.terminal import say_json, say_line, stderr, working
from lorify.errors import HypernetworkError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM


@dataclass(frozen=True)
class Importer:
    """Reads one kind of checkpoint.

    Attributes:
        what: whose checkpoints they are.
        named_base: the base that a folder names, or None.
        run: reads a folder for its base and writes the hypernetwork to another; says what is worth telling.
    """

    what: str
    named_base: Callable[[Path], str | None]
    run: Callable[[Path, BaseLM, Path], dict[str, object]]


def import_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(metavar="DIR_OR_FILE", help="The checkpoint, or its folder.")],
    output: Output,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Turn a checkpoint of the papers' authors into a hypernetwork folder.

    Text-to-LoRA: a folder with hypermod.pt, args.yaml and adapter_config.json. The base is the one that the checkpoint
    names, unless --base gives another place for it.
    Doc-to-LoRA: pytorch_model.bin, its folder, or the folder of the run with checkpoint-STEP and args.yaml in it.

    Example: lorify import downloads/t2l-mistral -o t2l-mistral --base mistralai/Mistral-7B-Instruct-v0.2
    """
    importer = find_importer(checkpoint)
    name = base or importer.named_base(checkpoint)
    if name is None:
        raise HypernetworkError(f"checkpoint {checkpoint} does not name its base; give it with --base")
    loaded = load_base_model(name)
    with working(f"importing {checkpoint}"):
        told = importer.run(checkpoint, loaded, output)
    if as_json:
        say_json({"hypernetwork": str(output), "kind": importer.what, "base": loaded.name, **told})
    else:
        say_line(str(output))


def find_importer(folder: Path) -> Importer:
    """What reads a checkpoint, by a file that only its kind has.

    Raises:
        HypernetworkError: if nothing does.
    """
    for marker, importer in IMPORTERS.items():
        if folder.is_file() and folder.name == marker:
            return importer
        if (folder / marker).is_file() or any(folder.glob(f"*/{marker}")):
            return importer
    known = ", ".join(f"{marker} ({importer.what})" for marker, importer in IMPORTERS.items())
    raise HypernetworkError(f"{folder} is no checkpoint that can be imported; expected a folder with {known}")


def _t2l_base(folder: Path) -> str | None:
    from lorify.hypernets.text_to_lora.importer import named_base

    return named_base(folder)


def _import_t2l(folder: Path, base: BaseLM, output: Path) -> dict[str, object]:
    from lorify.atomic import replaced_folder, reported_write_errors
    from lorify.hypernets.importing.probe import check_imported_tasks
    from lorify.hypernets.text_to_lora.checkpoint import TASK_HYPERNETWORK_FILES, save_task_hypernetwork
    from lorify.hypernets.text_to_lora.importer import import_t2l

    config, hypernetwork = import_t2l(folder, base)
    with (
        reported_write_errors(output, HypernetworkError),
        replaced_folder(output, TASK_HYPERNETWORK_FILES, HypernetworkError) as temporary,
    ):
        save_task_hypernetwork(temporary, config, hypernetwork, packed=False)  # their numbers, not ours to round
        change = check_imported_tasks(temporary, base, hypernetwork)
    return {"embedder": config.embedder_name, "parameters": hypernetwork.num_parameters, "probe_logit_change": change}


def _d2l_base(path: Path) -> str | None:
    from lorify.hypernets.doc_to_lora.importer import named_base

    return named_base(path)


def _import_d2l(path: Path, base: BaseLM, output: Path) -> dict[str, object]:
    from lorify.atomic import replaced_folder, reported_write_errors
    from lorify.hypernets.checkpoint import HYPERNETWORK_FILES, save_hypernetwork
    from lorify.hypernets.doc_to_lora.importer import import_d2l, named_architecture
    from lorify.hypernets.doc_to_lora.importer import named_base as base_of
    from lorify.hypernets.importing.probe import check_imported

    config, hypernetwork = import_d2l(path, base)
    with (
        reported_write_errors(output, HypernetworkError),
        replaced_folder(output, HYPERNETWORK_FILES, HypernetworkError) as temporary,
    ):
        save_hypernetwork(temporary, config, hypernetwork)
        change = check_imported(temporary, base, hypernetwork)
    meant = base_of(path)
    if meant != base.name and named_architecture(meant) is None:
        stderr().print(
            f"warning: the checkpoint was trained for {meant}, of which only the sizes are known here: make sure that "
            f"base {base.name}, a {type(base.model).__name__}, is that model",
            markup=False,
            style="yellow",
        )
    return {
        "encoder": config.encoder.kind,
        "chunk_tokens": config.chunk_tokens,
        "parameters": hypernetwork.num_parameters,
        "probe_logit_change": change,
    }


IMPORTERS: Mapping[str, Importer] = {
    "hypermod.pt": Importer("Text-to-LoRA", _t2l_base, _import_t2l),
    "pytorch_model.bin": Importer("Doc-to-LoRA", _d2l_base, _import_d2l),
}
"""By a file that only checkpoints of that kind have."""
