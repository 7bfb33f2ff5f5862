"""`eval tasks`: tasks that a hypernetwork has not seen, by several methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluating import DEFAULT_METHODS, Methods, RunDir, evaluate_suite, say_scores
from lorify.commands.options import Base, Json, TaskHypernetwork
from lorify.errors import EvaluationError


def tasks(
    path: Annotated[
        Path | None, typer.Option("--tasks", metavar="PATH", help="Task file or folder; by default the suite's unseen.")
    ] = None,
    seen: Annotated[bool, typer.Option("--seen", help="The suite's training tasks: their held-out instances.")] = False,
    methods: Methods = DEFAULT_METHODS["tasks"],
    multi_task: Annotated[
        Path | None, typer.Option("--multi-task", metavar="DIR", help="LoRA for all tasks (method multi_task).")
    ] = None,
    oracles: Annotated[
        Path | None,
        typer.Option("--oracles", metavar="DIR", help="Library of the tasks' own LoRAs (oracle, restored)."),
    ] = None,
    instances: Annotated[int, typer.Option("--instances", min=1, help="Instances of a task for each seed.")] = 8,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds, from 0.")] = 3,
    output: RunDir = None,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Tasks that the hypernetwork has not seen, with descriptions it has not seen: the suite `tasks`, without times.

    Methods: none (the bare base), description (in the prompt), three_shot (examples in the prompt), multi_task (a LoRA
    for all tasks), adapter (from the description), mismatched (from another task's), random (from random letters),
    oracle (the task's own LoRA), restored (what the hypernetwork makes of the library's own description of the task).

    Example: lorify eval tasks --task-hypernetwork runs/tasks/best --instances 4 -o runs/tasks-scores
    """
    from lorify.evaluation.suites.tasks import TasksSuite

    if path is not None and seen:
        raise EvaluationError("--tasks and --seen exclude each other; give one of them")
    suite = TasksSuite(path=path, seen=seen, instances=instances, seeds=seeds)
    named = {
        "multi_task": ("--multi-task", multi_task),
        "oracle": ("--oracles", oracles),
        "restored": ("--oracles", oracles),
    }
    chosen = ",".join(_with_path(part.strip(), named) for part in (methods or "").split(","))
    run = evaluate_suite(suite, chosen, output, base, task_hypernetwork=task_hypernetwork)
    say_scores(run, as_json)


def _with_path(method: str, named: dict[str, tuple[str, Path | None]]) -> str:
    """A method that runs with trained LoRAs, with their folder as its option.

    Raises:
        EvaluationError: if no folder is given.
    """
    if method not in named:
        return method
    option, path = named[method]
    if path is None:
        raise EvaluationError(f"method {method} needs trained LoRAs; give their folder with {option}")
    return f"{method}:path={path}"
