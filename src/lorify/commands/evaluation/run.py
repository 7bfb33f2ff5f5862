"""`lorify eval run` and `lorify eval list`: any suite by any methods."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from lorify.commands.evaluation.evaluate import evaluate_suite, print_scores
from lorify.commands.evaluation.options import Methods, RunDir
from lorify.commands.evaluation.suites import all_suites, read_suite
from lorify.commands.options import Base, Hypernetwork, Json, TaskHypernetwork
from lorify.commands.terminal import print_line


def run(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="SUITE[:option=value...], or a path of JSON Lines with questions.")
    ],
    methods: Methods = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens; default: that of the suite.")
    ] = None,
    untimed: Annotated[
        bool, typer.Option("--untimed", help="Measure scores only; large batches make this faster.")
    ] = False,
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Compare methods on the same questions: scores, times and memory.

    Methods take turns, document by document. With -o, the folder receives every answer as soon as it is given, tables
    (Markdown, CSV) and plots (PNG); run the same command again to continue an interrupted run. `lorify eval list`
    lists suites and methods.

    Example: lorify eval run facts:documents=20 -m none,icl,rag,adapter -o runs/facts
    """
    result = evaluate_suite(
        read_suite(suite),
        methods,
        output,
        base,
        hypernetwork,
        task_hypernetwork=task_hypernetwork,
        timed=not untimed,
        max_tokens=max_tokens,
    )
    print_scores(result, as_json)


def list_specs() -> None:
    """List suites and methods with their options.

    Example: lorify eval list
    """
    from lorify.evaluation.methods.registry import methods_for
    from lorify.evaluation.specs import describe_specs
    from lorify.evaluation.suites.cases import CaseKind

    suites = all_suites()
    for kind in get_args(CaseKind):
        print_line(f"Suites of {kind}\n")
        print_line(describe_specs(suite for suite in suites if suite.kind == kind))
        print_line(f"\nMethods for {kind}\n")
        print_line(describe_specs(methods_for(kind).values()) + "\n")
