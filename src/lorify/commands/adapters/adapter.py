"""`adapter`: show, merge and export adapters, and add and remove their documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.adapters.exports.registry import DEFAULT_EXPORT, EXPORTS, find_export
from lorify.commands.adapters.summary import describe
from lorify.commands.options import (
    Base,
    Documents,
    Hypernetwork,
    Json,
    Output,
    check_encoding,
    check_no_adapter,
    load_model,
    load_part_router,
    parse_scaled,
    read_contexts,
)
from lorify.commands.terminal import print_json, print_line, show_progress, show_spinner, stderr
from lorify.errors import AdapterError
from lorify.plain_files import expand_home

if TYPE_CHECKING:
    from lorify.adapters import Adapter

app = typer.Typer(help="Show, merge, export adapters; add and remove documents.", no_args_is_help=True)

FORMATS_HELP = ", ".join(f"{name} ({entry.description})" for name, entry in EXPORTS.items())

AdapterDir = Annotated[Path, typer.Argument(metavar="DIR", help="Adapter folder or hub address.")]
ChangedDir = Annotated[
    Path, typer.Argument(metavar="DIR", callback=expand_home, help="Adapter folder, which is changed.")
]


@app.command()
def show(adapter_dir: AdapterDir, as_json: Json = False) -> None:
    """Show what an adapter is made of, for which base and from which documents.

    Example: lorify adapter show handbook-adapter
    """
    from lorify.adapters.storage import load_adapter, stored_bytes

    summary = summarize_adapter(load_adapter(adapter_dir))
    summary["file_bytes"] = stored_bytes(adapter_dir)
    if as_json:
        print_json(summary)
        return
    for line in describe(summary):
        print_line(line)


def summarize_adapter(adapter: Adapter) -> dict:
    """Collect the provenance, shape and size of an adapter."""
    layers = sorted({layer for layer, _ in adapter.weights})
    return {
        **adapter.provenance.model_dump(mode="json", exclude={"documents"}),
        "layers": layers,
        "modules": sorted({module for _, module in adapter.weights}),
        "rank": adapter.rank,
        "lora_alpha": adapter.lora_alpha,
        "num_bytes": adapter.num_bytes,
        "can_change_documents": adapter.statistics is not None and adapter.provenance.refined_seconds is None,
        "kept_bytes": adapter.statistics_bytes,
        "documents": _summarize_documents(adapter),
    }


def _summarize_documents(adapter: Adapter) -> list[dict]:
    """Collect the records of an adapter's documents, and what it keeps of their tokens if it can be rebuilt."""
    from lorify.hypernets.registry import kept_of

    records = [document.model_dump() for document in adapter.provenance.documents]
    for record, stored in zip(records, adapter.statistics or (), strict=False):
        record["keeps"] = kept_of(stored)
    return records


@app.command()
def merge(
    adapters: Annotated[list[str], typer.Argument(metavar="DIR[=SCALE]", help="Adapter folders.")],
    output: Output,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
) -> None:
    """Write the base model with adapters in its weights, as a Hugging Face folder.

    A model that `merge` wrote to the folder before is replaced; any other file there is an error.

    Example: lorify adapter merge handbook-adapter -o handbook-model
    """
    from lorify.adapters.merging import check_merge_output, merge_into_base
    from lorify.adapters.storage import load_adapter

    check_no_adapter(output)
    check_merge_output(output, base)
    scaled = [(load_adapter(folder), scale) for folder, scale in map(parse_scaled, adapters)]
    model = load_model(scaled[0][0].provenance.base_name if base is None else base, hypernetwork)
    with show_spinner("merging"):
        merge_into_base(model.base, [(model.attach_weights(adapter), scale) for adapter, scale in scaled], output)
    print_line(str(output))


@app.command()
def export(
    adapter_dir: AdapterDir,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder or file to write.")],
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    format: Annotated[str, typer.Option("--format", help=f"Format: {FORMATS_HELP}.")] = DEFAULT_EXPORT,
    parts: Annotated[
        bool, typer.Option("--parts", help="Write an adapter for every clause; `adapter route` chooses one.")
    ] = False,
) -> None:
    """Write an adapter for other programs.

    Example: lorify adapter export handbook-adapter -o handbook-peft
    """
    from lorify.adapters.storage import load_adapter

    exporter = find_export(format).exporter
    check_no_adapter(output)
    adapter = load_adapter(adapter_dir)
    model = load_model(adapter.provenance.base_name if base is None else base, hypernetwork)
    if parts:
        with show_progress("writing", "parts") as report:
            model.export_parts(model.attach_weights(adapter), output, format, report=report)
    else:
        exporter.export(model.attach_weights(adapter), model.base, output)
    print_line(str(output))


@app.command()
def route(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `adapter export --parts` wrote.")],
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION", callback=check_encoding, help="Questions.")],
    as_json: Json = False,
) -> None:
    """Print the part to answer each question with, or an empty line where the base should answer without an adapter.

    Example: lorify adapter route handbook-parts "Who approves travel?"
    """
    router = load_part_router(folder)
    chosen = [router.choose(question) for question in questions]
    if as_json:
        print_json(
            [
                {"question": question, "path": None}
                if part is None
                else {"question": question, "path": str(folder / part.adapter), **part.model_dump()}
                for question, part in zip(questions, chosen, strict=True)
            ]
        )
        return
    for part in chosen:
        print_line("" if part is None else str(folder / part.adapter))


@app.command()
def add(adapter_dir: ChangedDir, documents: Documents, base: Base = None, hypernetwork: Hypernetwork = None) -> None:
    """Add documents to an adapter; a document of the same name is replaced.

    Example: lorify adapter add handbook-adapter travel-policy.md
    """
    from lorify.adapters.storage import save_adapter

    adapter, record = _load_local(adapter_dir)
    read = read_contexts(documents, [document.name for document in adapter.provenance.documents])
    model = load_model(adapter.provenance.base_name if base is None else base, hypernetwork)
    with show_spinner("internalizing"):
        changed = model.add(model.attach_weights(adapter), *read)
    save_adapter(changed, adapter_dir, replaces=record)
    _print_documents(changed)


@app.command()
def remove(
    adapter_dir: ChangedDir,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Documents, as `adapter show` lists them.")],
    base: Base = None,
    hypernetwork: Hypernetwork = None,
) -> None:
    """Remove documents from an adapter, as if they had never been in it.

    Example: lorify adapter remove handbook-adapter travel-policy.md
    """
    from lorify.adapters.storage import save_adapter

    adapter, record = _load_local(adapter_dir)
    model = load_model(adapter.provenance.base_name if base is None else base, hypernetwork)
    changed = model.remove(model.attach_weights(adapter), *names)
    save_adapter(changed, adapter_dir, replaces=record)
    _print_documents(changed)


def _load_local(adapter_dir: Path) -> tuple[Adapter, bytes]:
    """Load an adapter that is about to be changed.

    Returns:
        The adapter, and its record, which tells later whether another command has changed it too.

    Raises:
        AdapterError: if it is on the hub, or cannot be loaded.
    """
    from lorify.adapters.storage import RECORD_NAME, load_adapter
    from lorify.hub import HubAddress

    if HubAddress.parse(adapter_dir) is not None:
        raise AdapterError(
            f"adapter folder {adapter_dir} does not exist; give a local one (those on the hub cannot be changed there)"
        )
    path = adapter_dir / RECORD_NAME
    record = path.read_bytes() if path.is_file() else b""  # read first: a change while it is loaded is found too
    return load_adapter(adapter_dir), record


def _print_documents(adapter: Adapter) -> None:
    stderr().print("the adapter now contains:")
    for document in adapter.provenance.documents:
        print_line(document.name)
