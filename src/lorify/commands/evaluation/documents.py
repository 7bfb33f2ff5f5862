"""`lorify eval niah`, `qa` and `agreement`: suites of documents with their usual settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.evaluation.evaluate import evaluate_suite, print_scores
from lorify.commands.evaluation.options import ALL_QUESTIONS, Methods, NumDocuments, RunDir, Seed
from lorify.commands.options import Base, Hypernetwork, Json
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.evaluation.suites.api import Suite

DEFAULT_LENGTHS = (512, 2048, 8192)


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
    """Needle in a haystack by length and depth: the suite `niah`, untimed.

    With -o, a heat map (PNG) is written too.

    Example: lorify eval niah -l 1024 -l 8192 -o runs/niah
    """
    from lorify.evaluation.reports.summaries import summarize_lengths
    from lorify.evaluation.suites.niah import NiahSuite

    suite = NiahSuite(lengths=tuple(lengths or DEFAULT_LENGTHS), samples=samples, seed=seed)  # pyright: ignore[reportCallIssue]
    run = evaluate_suite(suite, methods, output, base, hypernetwork)
    rows = [
        {"length": row["length"], "exact": row["exact"], "method": row["method"], "haystacks": row["questions"]}
        for row in summarize_lengths(run.answers, exact_lengths=True)
    ]
    if as_json:
        print_json({"config": run.config.model_dump(mode="json"), "scores": rows})
    else:
        print_table(rows)


def qa(
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="JSON Lines with context, question and answers, or a folder of such files."),
    ] = None,
    heldout_of: Annotated[
        Path | None,
        typer.Option("--heldout-of", metavar="CONFIG", help="Use the passages that this training config holds out."),
    ] = None,
    documents: NumDocuments = 50,
    seed: Seed = 0,
    methods: Methods = "adapter,icl,none",
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Questions about unseen documents: the suites `facts`, `questions` and `heldout`, untimed.

    By default the documents are generated. Questions are answered with the adapter, with the document in the prompt
    (icl) and by the bare base model (none).

    Example: lorify eval qa --documents 20 -o runs/qa
    """
    if questions is not None and heldout_of is not None:
        raise EvaluationError("--questions and --heldout-of exclude each other; give one of them")
    suite = _question_suite(questions, heldout_of, documents, seed)
    print_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)


def _question_suite(questions: Path | None, heldout_of: Path | None, documents: int, seed: int) -> Suite:
    from lorify.commands.evaluation.heldout import HeldoutSuite
    from lorify.evaluation.suites.facts import FactsSuite
    from lorify.evaluation.suites.questions import QuestionsSuite

    if heldout_of is not None:
        return HeldoutSuite(path=heldout_of, questions=ALL_QUESTIONS, documents=documents, seed=seed)
    if questions is not None:
        return QuestionsSuite(path=questions, questions=ALL_QUESTIONS, documents=documents, seed=seed)
    return FactsSuite(documents=documents, seed=seed)  # pyright: ignore[reportCallIssue]


def agreement(
    documents: NumDocuments = 20,
    seed: Seed = 0,
    methods: Methods = "adapter,adapter:only_if_relevant=false",
    output: RunDir = None,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Check that unrelated questions are answered as by the base model: the suite `agreement`, untimed.

    Reports token F1 between the greedy answers of the bare base model and those with an adapter loaded, on 200 general
    prompts: once with the adapter on for relevant questions only, and once with it always on.

    Example: lorify eval agreement --documents 5
    """
    from lorify.evaluation.suites.agreement import AgreementSuite

    suite = AgreementSuite(documents=documents, seed=seed)  # pyright: ignore[reportCallIssue]
    print_scores(evaluate_suite(suite, methods, output, base, hypernetwork), as_json)
