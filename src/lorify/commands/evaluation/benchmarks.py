"""`lorify eval benchmarks`: public benchmarks with adapters from descriptions, run by lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluation.evaluate import Run, print_scores
from lorify.commands.evaluation.options import RunDir
from lorify.commands.options import Base, Json, TaskHypernetwork, load_model
from lorify.commands.terminal import show_progress


def benchmarks(
    names: Annotated[
        str, typer.Argument(metavar="LIST", help="Benchmarks separated by commas, or all: the ten of the paper.")
    ] = "all",
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder of local copies, NAME.json each; by default from the hub."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of items of each.")] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=3, help="Number of descriptions of each benchmark, at most 3.")
    ] = 3,
    run_programs: Annotated[
        bool, typer.Option("--run-programs", help="Execute programs written by the model (humaneval, mbpp).")
    ] = False,
    output: RunDir = None,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """The ten benchmarks of Text-to-LoRA through lm-eval: the bare base model, and adapters from descriptions.

    Prompts contain no training examples. The benchmarks are arc_challenge, arc_easy, boolq, gsm8k, hellaswag,
    openbookqa, piqa, winogrande, humaneval and mbpp. Needs `pip install 'lorify[bench]'`.

    Example: lorify eval benchmarks arc_easy,piqa --limit 100 -o runs/benchmarks
    """
    from lorify.evaluation.benchmarks.lm_eval_tasks import load_lm_eval
    from lorify.evaluation.benchmarks.names import check_benchmarks, select_benchmarks
    from lorify.evaluation.benchmarks.runner import BenchmarkRun
    from lorify.evaluation.reports.run_report import write_report
    from lorify.evaluation.runs.folder import check_run_folder, open_run

    chosen = select_benchmarks(names)
    check_benchmarks(chosen, data, run_programs=run_programs)
    simple_evaluate = load_lm_eval()
    if output is not None:
        check_run_folder(output)
    model = load_model(base, task_hypernetwork=task_hypernetwork)
    run = BenchmarkRun(model, chosen, seeds, data, limit, simple_evaluate)
    config = run.config()
    done = open_run(output, config) if output is not None else []
    with show_progress("answering", "parts") as advance:
        answers = run.answer(folder=output, done=done, report=advance)
    if output is not None:
        write_report(output, config, answers)
    print_scores(Run(config, answers, []), as_json)
