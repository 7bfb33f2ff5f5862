"""`lorify eval compare`, `pool`, `table` and `report`: comparing and summarizing finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Json
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json, print_line


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another run folder with the same suite.")],
    as_json: Json = False,
) -> None:
    """Compare two runs: their settings, and whether their scores differ by more than chance.

    Each method that both runs have is compared on the questions that both asked, with a sign-flip test over documents.

    Example: lorify eval compare runs/facts runs/facts-longer-training
    """
    from lorify.evaluation.reports.comparison import compare_runs

    comparison = compare_runs(first, second)
    if as_json:
        print_json({"settings": comparison.settings, "scores": comparison.rows})
        return
    for line in comparison.settings:
        print_line(line)
    print_table(comparison.rows)


def pool(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders that contain their answers.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the table and the plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Pool runs that differ in their seeds or in the number of training tasks.

    Prints scores by method, with intervals over runs and documents (or tasks). Runs whose task hypernetworks were
    trained on different numbers of tasks get separate rows, and a plot against that number.

    Example: lorify eval pool runs/scores-seed0 runs/scores-seed1 runs/scores-seed2 -o runs/scores
    """
    from lorify.evaluation.reports.pooling import pool_runs, write_pooled

    rows = pool_runs(runs)
    if output is not None:
        write_pooled(output, rows)
    if as_json:
        print_json({"runs": [str(run) for run in runs], "scores": rows})
    else:
        print_table([{key: row[key] for key in row if any(r[key] is not None for r in rows)} for row in rows])


def table(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders that contain their answers.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Markdown file to write.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Join runs into one table as in a paper: methods by data sets, and what each method costs.

    Scores are those of the suite, with the score relative to method icl in brackets.

    Example: lorify eval table runs/squad runs/drop runs/ropes -o main-table.md
    """
    from lorify.evaluation.reports.paper_table import paper_table
    from lorify.evaluation.reports.tables import as_markdown
    from lorify.evaluation.runs.folder import write_text

    found = paper_table({run.name: run for run in runs})
    if output is not None:
        write_text(output, f"{as_markdown(found.scores)}\n\n{as_markdown(found.costs)}\n")
    if as_json:
        print_json({"runs": [str(run) for run in runs], "scores": found.scores, "costs": found.costs})
        return
    print_table(found.scores)
    print_table(found.costs)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Markdown file to write.")],
) -> None:
    """Write one page with the tables and plots of several runs.

    The single answers are not needed: a run folder may lack its answers.jsonl.

    Example: lorify eval report results/facts results/niah -o docs/results.md
    """
    from lorify.evaluation.reports.results_page import write_results

    write_results(runs, output)
    print_line(str(output))
