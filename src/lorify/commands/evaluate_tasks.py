"""`eval tasks`: tasks that a hypernetwork has not seen, by several methods."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lorify.commands.options import Base, Json, TaskHypernetwork, load_model
from lorify.commands.terminal import counting, say_json, say_line
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.data.tasks import Task
    from lorify.evaluation.tasks import TaskAdapters, TaskMethod

DEFAULT_METHODS = "none,description,three_shot,adapter,mismatched,random"
RESULTS_NAME = "results.json"


def tasks(
    path: Annotated[
        Path | None, typer.Option("--tasks", metavar="PATH", help="Task file or folder; by default the suite's unseen.")
    ] = None,
    seen: Annotated[bool, typer.Option("--seen", help="The suite's training tasks: their held-out instances.")] = False,
    methods: Annotated[
        str, typer.Option("--methods", "-m", metavar="LIST", help="How to answer, with commas between.")
    ] = DEFAULT_METHODS,
    multi_task: Annotated[
        Path | None, typer.Option("--multi-task", metavar="DIR", help="LoRA for all tasks (method multi_task).")
    ] = None,
    oracles: Annotated[
        Path | None, typer.Option("--oracles", metavar="DIR", help="Library with the tasks' own LoRAs (oracle).")
    ] = None,
    instances: Annotated[int, typer.Option("--instances", min=1, help="Instances of a task for each seed.")] = 8,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds, from 0.")] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for scores and every single answer.")
    ] = None,
    base: Base = None,
    task_hypernet: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Tasks that the hypernetwork has not seen, with descriptions it has not seen.

    Methods: none (the bare base), description (in the prompt), three_shot (examples in the prompt), multi_task (a LoRA
    for all tasks), adapter (from the description), mismatched (from another task's), random (from random letters),
    oracle (the task's own LoRA).

    Example: lorify eval tasks --task-hypernet runs/tasks/best --instances 4 -o runs/tasks-scores
    """
    from lorify.evaluation.tasks import compare_methods, evaluate_tasks, measure_compression, summarize_tasks
    from lorify.hypernets.storage import WEIGHTS_NAME

    chosen = _choose_tasks(path, seen)
    names = cast("list[TaskMethod]", [name.strip() for name in methods.split(",") if name.strip()])
    adapters = _load_adapters(multi_task, oracles)
    model = load_model(base, task_hypernetwork=task_hypernet)
    with counting("answering", "inputs") as advance:
        items = evaluate_tasks(
            model, chosen, methods=names, adapters=adapters, num_instances=instances, seeds=range(seeds), report=advance
        )
    rows = summarize_tasks(items)
    needed = {"adapter", "mismatched", "random"} & set(names)
    compared: dict[str, float] = {**compare_methods(rows)}
    if needed and adapters.oracles is not None:
        assert model.task_hypernetwork is not None
        size = (model.task_hypernetwork / WEIGHTS_NAME).stat().st_size
        compared |= measure_compression(list(adapters.oracles.values()), size)
    run = {
        "evaluation": "tasks",
        "lorify_version": version("lorify"),
        "base": {"name": model.base.name, "digest": model.base.digest},
        "task_hypernetwork": {"name": model.specializer.name, "digest": model.specializer.digest} if needed else None,
        "settings": {"tasks": [task.name for task in chosen], "instances": instances, "seeds": seeds},
        "scores": rows,
        "compared": compared,
    }
    if output is not None:
        from lorify.atomic import replaced_file

        with replaced_file(output / RESULTS_NAME) as file:
            content = {**run, "answers": [asdict(item) for item in items]}
            file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        say_json(run)
        return
    columns = list(rows[0])
    widths = [max(len(column), *(len(str(row[column])) for row in rows)) for column in columns]
    for line in [columns, *([str(row[column]) for column in columns] for row in rows)]:
        say_line("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    for name, value in compared.items():
        say_line(f"{name.replace('_', ' ')}: {value}")


def _choose_tasks(path: Path | None, seen: bool) -> list[Task]:
    from lorify.data.task_suite import suite_training_tasks, suite_unseen_tasks
    from lorify.data.tasks import load_tasks

    if path is not None and seen:
        raise EvaluationError("--tasks and --seen exclude each other; give one of them")
    if path is not None:
        return load_tasks(path)
    return suite_training_tasks() if seen else suite_unseen_tasks()


def _load_adapters(multi_task: Path | None, oracles: Path | None) -> TaskAdapters:
    from lorify.adapters.storage import load_adapter
    from lorify.evaluation.tasks import TaskAdapters
    from lorify.hypernets.library import load_library

    return TaskAdapters(
        multi_task=None if multi_task is None else load_adapter(multi_task),
        oracles=None if oracles is None else load_library(oracles).adapters,
    )
