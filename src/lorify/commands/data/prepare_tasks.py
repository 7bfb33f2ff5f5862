"""`prepare-tasks`: task files of Text-to-LoRA's training data, with the authors' descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Output
from lorify.commands.terminal import print_line, show_progress
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.data.tasks.schema import Task

HUB = "lots-of-loras"
BENCHMARKS = "benchmarks"


def prepare_tasks(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help=f"{HUB} (from the hub), a folder with a local copy of it or of Super-NaturalInstructions, or "
            f"{BENCHMARKS} (the training items of nine benchmarks).",
        ),
    ],
    output: Output,
    descriptions: Annotated[
        Path | None,
        typer.Option(
            "--descriptions", metavar="PATH", help="The folder `tasks` of the authors' repository, or a metadata.yaml."
        ),
    ] = None,
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            metavar="WHICH",
            help="training (479 tasks), all (500), or task numbers such as 22,33; for benchmarks, their names.",
        ),
    ] = "training",
    split: Annotated[str, typer.Option("--split", help="Split of Lots-of-LoRAs: train, valid or test.")] = "train",
    items: Annotated[
        Path | None,
        typer.Option("--items", metavar="DIR", help=f"With {BENCHMARKS}: local copies, NAME.jsonl; default: the hub."),
    ] = None,
) -> None:
    """Write the tasks that Text-to-LoRA trains on as task files, with the descriptions of its authors.

    Tasks already in the output folder are skipped, so running the same command again resumes.

    Example: lorify prepare-tasks lots-of-loras -o data/t2l/tasks --descriptions text-to-lora/tasks
    """
    from lorify.data.sources.lots_of_loras import select_names
    from lorify.data.tasks.files import save_task
    from lorify.data.tasks.published.authors_descriptions import find_descriptions, read_descriptions

    if source == BENCHMARKS:
        _write_benchmarks(output, read_descriptions(descriptions) if descriptions is not None else {}, tasks, items)
        return
    names = select_names(tasks)
    known = find_descriptions(names, read_descriptions(descriptions), descriptions) if descriptions is not None else {}
    missing = [name for name in names if not (output / f"{name}.json").exists()]
    _check_written(output, sorted(set(names) - set(missing)), known)
    with show_progress("preparing", "tasks") as advance:
        advance(len(names) - len(missing), len(names))
        for task in _read(source, missing, split):
            save_task(replace(task, descriptions=known.get(task.name, task.descriptions)), output)
            advance(1, len(names))
    print_line(str(output))


def _check_written(output: Path, names: list[str], descriptions: Mapping[str, tuple[str, ...]]) -> None:
    """Check that the tasks in the output folder have the descriptions that are asked for, since they are skipped.

    Raises:
        EvaluationError: if one has others, or cannot be read.
    """
    from lorify.data.tasks.files import load_tasks

    for name in names:
        path = output / f"{name}.json"
        (task,) = load_tasks(path)
        if not set(task.descriptions) <= set(descriptions.get(name, (task.definition,))):
            raise EvaluationError(
                f"{path} was written with other descriptions; give the same --descriptions, or another output folder"
            )


def _write_benchmarks(
    output: Path, descriptions: Mapping[str, tuple[str, ...]], wanted: str, items: Path | None
) -> None:
    """Write the tasks that the LoRAs of benchmarks are trained on."""
    from lorify.data.benchmarks.published import published_benchmarks
    from lorify.data.benchmarks.training_tasks import benchmark_task
    from lorify.data.tasks.files import save_task

    trained = {name: b for name, b in published_benchmarks().items() if b.training_source is not None}
    names = list(trained) if wanted in ("training", "all") else [name.strip() for name in wanted.split(",")]
    unknown = [name for name in names if name not in trained]
    if unknown:
        raise EvaluationError(f"benchmark {unknown[0]!r} has no training items; choose from {', '.join(trained)}")
    with show_progress("preparing", "benchmarks") as advance:
        for name in names:
            save_task(benchmark_task(name, trained[name], descriptions.get(name), folder=items), output)
            advance(1, len(names))
    print_line(str(output))


def _read(source: str, names: list[str], split: str) -> Iterator[Task]:
    """Read tasks one after the other."""
    from lorify.data.sources.lots_of_loras import read_lots_of_loras
    from lorify.data.tasks.published.sni import select_sni_tasks

    folder = None if source == HUB else Path(source)
    if folder is not None and not folder.is_dir():
        raise EvaluationError(f"{source} is not a folder; give {HUB}, or the folder of a local copy")
    if folder is None or any((folder / name).is_dir() for name in names):
        yield from (read_lots_of_loras(name, folder=folder, split=split) for name in names)
    else:
        yield from select_sni_tasks(folder, names)
