"""`eval benchmarks`: public benchmarks with adapters from descriptions, through lm-eval."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.evaluation.evaluate import Run, print_scores
from lorify.commands.evaluation.options import RunDir
from lorify.commands.options import Base, Json, TaskHypernetwork, load_model
from lorify.commands.terminal import counting
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.evaluation.runs.folder import Answer

METHODS = ("none", "adapter")


def benchmarks(
    names: Annotated[
        str, typer.Argument(metavar="LIST", help="Benchmarks with commas between; all: the ten of the paper.")
    ] = "all",
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Local copies, NAME.json each; else from the hub.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many items of each.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=3, help="Descriptions of each benchmark, from 3.")] = 3,
    run_programs: Annotated[
        bool, typer.Option("--run-programs", help="Run the programs that the model writes (humaneval, mbpp).")
    ] = False,
    output: RunDir = None,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Text-to-LoRA's ten benchmarks through lm-eval: the bare base, and with the adapter from a description as PEFT.

    Without training examples in the prompt. The benchmarks are arc_challenge, arc_easy, boolq, gsm8k, hellaswag,
    openbookqa, piqa, winogrande, humaneval and mbpp. Needs `pip install 'lorify[bench]'`.

    Example: lorify eval benchmarks arc_easy,piqa --limit 100 -o runs/benchmarks
    """
    from lorify.evaluation.methods.registry import parse_methods
    from lorify.evaluation.reports.tables import write_report
    from lorify.evaluation.runs.folder import append_answers, check_run_folder, open_run, run_config
    from lorify.evaluation.suites.benchmarks import (
        DESCRIPTIONS,
        MAX_NEW_TOKENS,
        SOURCE,
        answer_benchmark,
        check_benchmarks,
        data_path,
        load_lm_eval,
    )

    chosen = list(DESCRIPTIONS) if names == "all" else [name.strip() for name in names.split(",") if name.strip()]
    if not chosen:
        raise EvaluationError(f"no benchmark is given; choose from {', '.join(DESCRIPTIONS)}")
    check_benchmarks(chosen, data, run_programs=run_programs)
    simple_evaluate = load_lm_eval()
    if output is not None:
        check_run_folder(output)
    model = load_model(base, task_hypernetwork=task_hypernetwork)
    suite = f"{SOURCE} {','.join(chosen)} --seeds {seeds}"
    suite += (f" --data {data}" if data else "") + (f" --limit {limit}" if limit else "")
    config = run_config(
        model, suite, [], parse_methods(",".join(METHODS), "tasks"), max_new_tokens=MAX_NEW_TOKENS, timed=False
    )
    digests = [_digest(data_path(data, name)) if data else name for name in chosen]
    config = config.model_copy(update={"items_sha256": hashlib.sha256("".join(digests).encode()).hexdigest()})
    answers: list[Answer] = open_run(output, config) if output is not None else []
    # The bare base answers once, whatever the number of descriptions.
    parts = [(name, method, seed) for name in chosen for method in METHODS for seed in range(seeds)]
    parts = [(name, method, seed) for name, method, seed in parts if method == "adapter" or seed == 0]
    with counting("answering", "parts") as advance:
        for name, method, seed in parts:
            if not any((a.family, a.method, a.seed) == (name, method, seed) for a in answers):
                new = answer_benchmark(
                    model, name, method, seed, data_dir=data, limit=limit, simple_evaluate=simple_evaluate
                )
                if output is not None:
                    append_answers(output, new)
                answers += new
            advance(1, len(parts))
    if output is not None:
        write_report(output, config, answers)
    print_scores(Run(config, answers, []), as_json)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
