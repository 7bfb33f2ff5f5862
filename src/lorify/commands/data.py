"""`data`: make training data out of plain documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.options import Base, Output, load_base_model
from lorify.commands.terminal import counting, say_line
from lorify.errors import EvaluationError


def data(
    documents: Annotated[Path, typer.Argument(metavar="JSONL", help="One JSON object a line with `text`.")],
    output: Output,
    base: Base = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible endpoint that asks.")
    ] = None,
    writer: Annotated[
        str | None, typer.Option("--writer", help="Model that asks: at the endpoint, or a local base; else the base.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of questions a document.")] = 1,
    questions: Annotated[int, typer.Option("--questions", min=1, help="Questions a round.")] = 5,
) -> None:
    """Make self-generated data: questions about documents, and the base's own answers with its log-probabilities.

    The same command again goes on after the last whole shard.

    Example: lorify data texts.jsonl -o data/mine --endpoint http://localhost:8000/v1 --writer google/gemma-3-12b-it
    """
    from lorify.base.files import DEFAULT_BASE
    from lorify.data.question_writers import EndpointWriter, LocalWriter
    from lorify.data.self_generation import generate_data
    from lorify.data.texts import read_texts

    texts = list(read_texts(documents))
    if endpoint is not None and writer is None:
        raise EvaluationError("--endpoint needs the name of a model there; give it with --writer")
    loaded = load_base_model(base or DEFAULT_BASE)
    if endpoint is not None and writer is not None:
        asks = EndpointWriter(endpoint, writer)
    else:
        asks = LocalWriter(loaded if writer is None else load_base_model(writer))
    with counting("asking and answering", "documents") as advance:
        generate_data(
            texts, output, base=loaded, writer=asks, rounds=rounds, questions_per_round=questions, report=advance
        )
    say_line(str(output))
