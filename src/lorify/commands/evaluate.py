"""`eval`: how good a hypernetwork is, by the project's own measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lorify.commands import reporting
from lorify.commands.evaluating import ALL_QUESTIONS, Methods, RunDir, Seed, evaluate_suite, say_scores
from lorify.commands.heldout import heldout_kind
from lorify.commands.options import Base, Hypernetwork, Json, TaskHypernetwork
from lorify.commands.tables import say_table
from lorify.commands.terminal import say_json
from lorify.errors import EvaluationError


class _SuiteIsDefault(TyperGroup):
    """`lorify eval SUITE` is `lorify eval run SUITE`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_SuiteIsDefault,
    help="Measure how good a hypernetwork is: `lorify eval SUITE`, or one of the commands.",
    no_args_is_help=True,
)

NumDocuments = Annotated[int, typer.Option("--documents", min=1, help="Number of documents.")]
DEFAULT_LENGTHS = (512, 2048, 8192)


@app.command("run")
def run_suite(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="What to ask: SUITE[:option=value...], or a path.")],
    methods: Methods = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens; by default the suite's own.")
    ] = None,
    untimed: Annotated[
        bool, typer.Option("--untimed", help="Scores only: questions are asked in large batches, which is quicker.")
    ] = False,
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Several methods side by side on the same questions: scores, times and memory.

    Methods take turns, document by document. With -o the folder gets every answer as it comes, tables (Markdown, CSV)
    and plots (PNG); an interrupted run goes on with the same command. `lorify eval list` names suites and methods.

    Example: lorify eval run facts:documents=20 -m none,icl,rag,adapter -o runs/facts
    """
    from lorify.evaluation.suites.documents import parse_suite
    from lorify.evaluation.suites.images import IMAGE_SUITES

    chosen = parse_suite(suite, {"heldout": heldout_kind(), **IMAGE_SUITES})
    run = evaluate_suite(
        chosen,
        methods,
        output,
        base,
        hypernetwork,
        task_hypernetwork=task_hypernetwork,
        timed=not untimed,
        max_tokens=max_tokens,
    )
    say_scores(run, as_json)


@app.command()
def niah(
    lengths: Annotated[
        list[int] | None, typer.Option("--length", "-l", min=32, help="Length in tokens; may be given several times.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Haystacks for each length and depth.")] = 1,
    seed: Seed = 0,
    methods: Methods = "adapter",
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Needle in a haystack by length and depth: the suite `niah`, without times.

    With -o also a heat map as a PNG.

    Example: lorify eval niah -l 1024 -l 8192 -o runs/niah
    """
    from lorify.evaluation.reports.tables import summarize_lengths
    from lorify.evaluation.suites.documents import NiahSuite

    suite = NiahSuite(lengths=tuple(lengths or DEFAULT_LENGTHS), samples=samples, seed=seed)  # pyright: ignore[reportCallIssue]
    run = evaluate_suite(suite, methods, output, base, hypernetwork)
    rows = [
        {"length": row["length"], "exact": row["exact"], "method": row["method"], "haystacks": row["questions"]}
        for row in summarize_lengths(run.answers, exact_lengths=True)
    ]
    if as_json:
        say_json({"config": run.config.model_dump(mode="json"), "scores": rows})
    else:
        say_table(rows)


@app.command()
def qa(
    questions: Annotated[
        Path | None, typer.Option("--questions", help="JSON lines with context, question and answers, or a folder.")
    ] = None,
    heldout_of: Annotated[
        Path | None, typer.Option("--heldout-of", metavar="CONFIG", help="The passages this training config holds out.")
    ] = None,
    documents: NumDocuments = 50,
    seed: Seed = 0,
    methods: Methods = "adapter,icl,none",
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Questions about unseen documents: the suites `facts`, `questions` and `heldout`, without times.

    They are answered with the adapter, with the document in the prompt (icl) and by the bare base (none). By default
    on generated documents of facts.

    Example: lorify eval qa --documents 20 -o runs/qa
    """
    from lorify.evaluation.suites.documents import FactsSuite, QuestionsSuite

    if questions is not None and heldout_of is not None:
        raise EvaluationError("--questions and --heldout-of exclude each other; give one of them")
    kind = heldout_kind() if heldout_of is not None else QuestionsSuite
    path = heldout_of or questions
    options = {"documents": documents, "seed": seed}
    suite = FactsSuite(**options) if path is None else kind(path=path, questions=ALL_QUESTIONS, **options)
    run = evaluate_suite(suite, methods, output, base, hypernetwork)
    say_scores(run, as_json)


@app.command()
def agreement(
    documents: NumDocuments = 20,
    seed: Seed = 0,
    methods: Methods = "adapter,adapter:only_if_relevant=false",
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Are unrelated questions still answered as the base answers them? The suite `agreement`, without times.

    Token F1 between the bare base's greedy answers and those with an adapter loaded, on 200 general prompts; and the
    same if the adapter were on for every prompt, whether it concerns the document or not.

    Example: lorify eval agreement --documents 5
    """
    from lorify.evaluation.suites.documents import AgreementSuite

    suite = AgreementSuite(documents=documents, seed=seed)  # pyright: ignore[reportCallIssue]
    run = evaluate_suite(suite, methods, output, base, hypernetwork)
    say_scores(run, as_json)


app.command("compare")(reporting.compare)
app.command("pool")(reporting.pool)
app.command("report")(reporting.report)
app.command("confidence")(reporting.confidence)
app.command("list")(reporting.list_kinds)
