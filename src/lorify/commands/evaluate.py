"""`eval`: how good a hypernetwork is, by the project's own measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lorify.commands import reporting
from lorify.commands.heldout import heldout_kind
from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.tables import say_table
from lorify.commands.terminal import counting, say_json, working
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.evaluation.runs import Answer
    from lorify.evaluation.suites import Suite


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

RunDir = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for every answer, tables and plots.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]
NumDocuments = Annotated[int, typer.Option("--documents", min=1, help="Number of documents.")]
Methods = Annotated[
    str, typer.Option("--methods", "-m", metavar="LIST", help="How to answer: METHOD[:option=value...],METHOD...")
]

ALL_QUESTIONS = 1_000_000
DEFAULT_LENGTHS = (512, 2048, 8192)
DEFAULT_METHODS = "none,icl,rag,adapter"
SHOWN_COLUMNS = (
    "source,condition,method,questions,exact,f1,f1_low,f1_high,rouge_l,f1_relative,update_seconds,first_token_seconds,"
    "seconds_per_token,answer_peak_mb"
).split(",")


@app.command("run")
def run_suite(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="What to ask: SUITE[:option=value...], or a path.")],
    methods: Methods = DEFAULT_METHODS,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens; by default the suite's own.")
    ] = None,
    untimed: Annotated[
        bool, typer.Option("--untimed", help="Scores only: questions are asked in large batches, which is quicker.")
    ] = False,
    output: RunDir = None,
    base: Base = None,
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Several methods side by side on the same questions: scores, times and memory.

    Methods take turns, document by document. With -o the folder gets every answer as it comes, tables (Markdown, CSV)
    and plots (PNG); an interrupted run goes on with the same command. `lorify eval list` names suites and methods.

    Example: lorify eval run facts:documents=20 -m none,icl,rag,adapter -o runs/facts
    """
    from lorify.evaluation.suites import parse_suite

    chosen = parse_suite(suite, {"heldout": heldout_kind()})
    config, answers = _run(chosen, methods, output, base, hypernet, timed=not untimed, max_tokens=max_tokens)
    _say(config, answers, as_json)


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
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Needle in a haystack by length and depth: the suite `niah`, without times.

    With -o also a heat map as a PNG.

    Example: lorify eval niah -l 1024 -l 8192 -o runs/niah
    """
    from lorify.evaluation.reports import summarize_lengths
    from lorify.evaluation.suites import NiahSuite

    suite = NiahSuite(lengths=tuple(lengths or DEFAULT_LENGTHS), samples=samples, seed=seed)  # pyright: ignore[reportCallIssue]
    config, answers = _run(suite, methods, output, base, hypernet)
    rows = [
        {"length": row["length"], "exact": row["exact"], "method": row["method"], "haystacks": row["questions"]}
        for row in summarize_lengths(answers, exact_lengths=True)
    ]
    if as_json:
        say_json({"config": config, "scores": rows})
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
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Questions about unseen documents: the suites `facts`, `questions` and `heldout`, without times.

    They are answered with the adapter, with the document in the prompt (icl) and by the bare base (none). By default
    on generated documents of facts.

    Example: lorify eval qa --documents 20 -o runs/qa
    """
    from lorify.evaluation.suites import FactsSuite, QuestionsSuite

    if questions is not None and heldout_of is not None:
        raise EvaluationError("--questions and --heldout-of exclude each other; give one of them")
    kind = heldout_kind() if heldout_of is not None else QuestionsSuite
    path = heldout_of or questions
    options = {"documents": documents, "seed": seed}
    suite = FactsSuite(**options) if path is None else kind(path=path, questions=ALL_QUESTIONS, **options)
    config, answers = _run(suite, methods, output, base, hypernet)
    _say(config, answers, as_json)


@app.command()
def agreement(
    documents: NumDocuments = 20,
    seed: Seed = 0,
    methods: Methods = "adapter,adapter:only_if_relevant=false",
    output: RunDir = None,
    base: Base = None,
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Are unrelated questions still answered as the base answers them? The suite `agreement`, without times.

    Token F1 between the bare base's greedy answers and those with an adapter loaded, on 200 general prompts; and the
    same if the adapter were on for every prompt, whether it concerns the document or not.

    Example: lorify eval agreement --documents 5
    """
    from lorify.evaluation.suites import AgreementSuite

    suite = AgreementSuite(documents=documents, seed=seed)  # pyright: ignore[reportCallIssue]
    config, answers = _run(suite, methods, output, base, hypernet)
    _say(config, answers, as_json)


def _run(
    suite: Suite,
    methods: str,
    output: Path | None,
    base: str | None,
    hypernet: Path | None,
    *,
    timed: bool = False,
    max_tokens: int | None = None,
) -> tuple[dict[str, Any], list[Answer]]:
    """Ask a suite by methods; the config and the answers."""
    from lorify.evaluation.answering import answer_cases
    from lorify.evaluation.methods import parse_methods
    from lorify.evaluation.reports import write_report
    from lorify.evaluation.runs import check_run_folder, open_run, run_config

    kinds = parse_methods(methods)
    if output is not None:
        check_run_folder(output)
    model = load_model(base, hypernet)
    max_new_tokens = max_tokens or suite.max_new_tokens
    with working("collecting questions"):
        cases = suite.build(model)
    config = run_config(model, suite.label, cases, kinds, max_new_tokens=max_new_tokens, timed=timed)
    done = open_run(output, config) if output is not None else []
    with counting("answering", "questions") as advance:
        answers = answer_cases(
            model, cases, kinds, max_new_tokens=max_new_tokens, timed=timed, folder=output, done=done, report=advance
        )
    if output is not None:
        write_report(output, config, answers)
    return config.model_dump(mode="json"), answers


def _say(config: dict[str, Any], answers: Sequence[Answer], as_json: bool) -> None:
    from lorify.evaluation.reports import summarize

    rows = summarize(answers)
    if as_json:
        say_json({"config": config, "scores": rows})
    else:
        shown = [key for key in SHOWN_COLUMNS if any(row[key] not in (None, "") for row in rows)]
        say_table([{key: row[key] for key in shown} for row in rows])


app.command("compare")(reporting.compare)
app.command("report")(reporting.report)
app.command("confidence")(reporting.confidence)
app.command("list")(reporting.list_kinds)
