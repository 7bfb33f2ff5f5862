"""`watch`: score the snapshots of a training run on benchmarks while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import load_model
from lorify.commands.terminal import print_line, show_progress, show_spinner

POLL_SECONDS = 10.0


def watch(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of the run, which may be running.")],
    benchmarks: Annotated[
        str | None,
        typer.Option(
            "--benchmarks", metavar="LIST", help="Benchmarks, separated by commas; default: the paper's seven."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Folder of local copies; default: the hub.")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=1, max=500, help="Items of each benchmark.")] = 500,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")] = 512,
    patience: Annotated[
        int, typer.Option("--patience", min=1, help="Snapshots without a better one after which the run is stopped.")
    ] = 50,
    once: Annotated[bool, typer.Option("--once", help="Score the snapshots that exist now, then exit.")] = False,
) -> None:
    """Score each snapshot of a run of kind task, or of a LoRA for all tasks, on the validation items of benchmarks.

    The best one is copied to RUN_DIR/best-by-benchmarks, and the scores are in RUN_DIR/watch.json. If the last
    --patience snapshots were not better, the run ends at its next snapshot. The same command resumes.

    Example: lorify watch runs/mistral-sft-L --data data/benchmarks --items 100
    """
    from lorify.evaluation.snapshots import SnapshotWatcher, read_watched_run
    from lorify.evaluation.suites.benchmarks import BenchmarksSuite

    run = read_watched_run(run_dir)
    names = tuple(name.strip() for name in benchmarks.split(",")) if benchmarks else ()
    suite = BenchmarksSuite.model_validate({"names": names, "path": data, "items": items, "split": "validation"})
    model = load_model(run.base)
    with show_spinner("collecting questions"):
        cases = suite.build(model)
    watcher = SnapshotWatcher(model, run_dir, run.method, cases, max_tokens, patience)
    while not watcher.is_over:
        for snapshot in watcher.open_snapshots():
            with show_progress(f"snapshot {snapshot.name}", "questions") as advance:
                score = watcher.score(snapshot, advance)
            print_line(f"{snapshot.name}  {score:.2f}  best {watcher.best}")
        if once:
            return
        time.sleep(POLL_SECONDS)
