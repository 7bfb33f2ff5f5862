"""`lorify eval tasks`: tasks that a task hypernetwork has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluation.evaluate import evaluate_suite, print_scores
from lorify.commands.evaluation.options import Methods, RunDir
from lorify.commands.options import Base, Json, TaskHypernetwork
from lorify.errors import EvaluationError


def tasks(
    path: Annotated[
        Path | None,
        typer.Option("--tasks", metavar="PATH", help="Task file or folder; by default the generated unseen tasks."),
    ] = None,
    seen: Annotated[
        bool, typer.Option("--seen", help="Use the generated training tasks, with held-out instances.")
    ] = False,
    written: Annotated[
        bool, typer.Option("--written", help="Use the ordinary requests that were written for lorify.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", help="Put each description into about 45 tokens of other text.")
    ] = False,
    methods: Methods = None,
    multi_task: Annotated[
        Path | None, typer.Option("--multi-task", metavar="DIR", help="LoRA of all tasks, for the method multi_task.")
    ] = None,
    oracles: Annotated[
        Path | None,
        typer.Option("--oracles", metavar="DIR", help="Library of task LoRAs, for the methods oracle and restored."),
    ] = None,
    instances: Annotated[int, typer.Option("--instances", min=1, help="Instances of each task for each seed.")] = 8,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds, counted from 0.")] = 3,
    output: RunDir = None,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Tasks and descriptions that the hypernetwork has not seen: the suite `tasks`, untimed.

    Methods: none (the bare base model), description (in the prompt), three_shot (examples in the prompt), multi_task
    (one LoRA for all tasks), adapter (from the description), mismatched (from the description of another task), random
    (from random characters), oracle (a LoRA trained on the task), restored (from the description that the library
    stores for the task). The default is the first three, adapter, mismatched and random.

    Example: lorify eval tasks --task-hypernetwork runs/tasks/best --instances 4 -o runs/tasks-scores
    """
    from lorify.evaluation.suites.tasks import TasksSuite

    if (path is not None) + seen + written > 1:
        raise EvaluationError("--tasks, --seen and --written exclude each other; give one of them")
    suite = TasksSuite(path=path, seen=seen, written=written, long=long, instances=instances, seeds=seeds)
    folders = {
        "multi_task": ("--multi-task", multi_task),
        "oracle": ("--oracles", oracles),
        "restored": ("--oracles", oracles),
    }
    chosen = methods and ",".join(_with_path(part.strip(), folders) for part in methods.split(","))
    run = evaluate_suite(suite, chosen, output, base, task_hypernetwork=task_hypernetwork)
    print_scores(run, as_json)


def _with_path(method: str, folders: dict[str, tuple[str, Path | None]]) -> str:
    """Add the folder option to a method that uses trained LoRAs.

    Args:
        method: the method as text.
        folders: command-line option and its value, by method.

    Raises:
        EvaluationError: if the folder is not given.
    """
    if method not in folders:
        return method
    option, path = folders[method]
    if path is None:
        raise EvaluationError(f"method {method} needs trained LoRAs; give their folder with {option}")
    return f"{method}:path={path}"
