"""`data`: make training data out of plain documents."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Base, Output, load_base_model
from lorify.commands.terminal import counting, say_line
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM
    from lorify.data.self_generated.teachers import Teacher
    from lorify.data.self_generated.writers import QuestionWriter


def data(
    output: Output,
    documents: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="JSON lines with `text`; with --dataset, a local copy of it.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Public data set: squad, drop, ropes, pwc or fineweb-edu.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many contexts.")] = None,
    base: Base = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible endpoint that asks.")
    ] = None,
    writer: Annotated[
        str | None, typer.Option("--writer", help="Model that asks: at the endpoint, or a local base; else the base.")
    ] = None,
    vllm: Annotated[
        bool, typer.Option("--vllm", help="The writer runs in vLLM, in this process, many documents at a time.")
    ] = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            metavar="WHERE",
            help="Where the base answers: vllm, or the URL of an OpenAI-compatible endpoint that serves it; else here.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of questions a document.")] = 1,
    questions: Annotated[int, typer.Option("--questions", min=1, help="Questions a round.")] = 5,
    short: Annotated[
        bool | None,
        typer.Option("--short/--long", help="Ask for short answers; as published for a data set, else long."),
    ] = None,
) -> None:
    """Make self-generated data: questions about documents, and the base's own answers with its log-probabilities.

    The questions of a public data set are its own, of its training split; for fineweb-edu they are written. The same
    command again goes on after the last whole shard.

    Example: lorify data texts.jsonl -o data/mine --endpoint http://localhost:8000/v1 --writer google/gemma-3-12b-it
    """
    from lorify.base.files import DEFAULT_BASE
    from lorify.data.self_generated.pipeline import generate_data

    if (endpoint is not None or vllm) and writer is None:
        raise EvaluationError(f"{'--vllm' if vllm else '--endpoint'} needs the name of a model; give it with --writer")
    if endpoint is not None and vllm:
        raise EvaluationError("--endpoint and --vllm cannot be given together; choose where the writer runs")
    if teacher not in (None, "vllm") and not teacher.startswith(("http://", "https://")):
        raise EvaluationError(f"--teacher {teacher!r} is unknown; give vllm, or a URL such as http://localhost:8000/v1")
    texts, asks = _contexts(documents, dataset, limit)
    name = base or DEFAULT_BASE
    asks_itself = asks is None and writer is None
    loaded = load_base_model(name) if teacher is None or asks_itself else None
    share = 0.45 if vllm and teacher == "vllm" else 0.9  # of the device, where two models run in vLLM
    asks = asks or _writer(loaded, writer, endpoint, vllm_share=share if vllm else None)
    teaches = _teacher(loaded, name, teacher, vllm_share=share)
    with counting("asking and answering", "documents") as advance:
        generate_data(
            texts,
            output,
            teacher=teaches,
            writer=asks,
            rounds=rounds,
            questions_per_round=questions,
            short_answers=_is_short(dataset) if short is None else short,
            report=advance,
        )
    say_line(str(output))


def _contexts(
    documents: Path | None, dataset: str | None, limit: int | None
) -> tuple[list[str], QuestionWriter | None]:
    """The contexts, and their own questions if they have some."""
    from lorify.data.self_generated.writers import GivenQuestions
    from lorify.data.sources.public import TEXT_SETS, load_public_examples, stream_public_texts
    from lorify.data.sources.texts import read_texts

    if dataset in TEXT_SETS:
        if limit is None:
            raise EvaluationError(f"{dataset} has more texts than a run can take; say with --limit how many are wanted")
        return list(islice(stream_public_texts(dataset, documents), limit)), None
    if dataset is not None:
        examples = load_public_examples(dataset, documents, purpose="train")[:limit]
        asks = GivenQuestions(examples, dataset)
        return [example.documents[0] for example in examples], asks
    if documents is None:
        raise EvaluationError("there is nothing to ask about; give a JSON lines file, or a data set with --dataset")
    return list(islice(read_texts(documents), limit)), None


def _is_short(dataset: str | None) -> bool:
    """Whether the questions of a data set ask for short answers, as published."""
    from lorify.data.sources.public import PUBLIC_SETS, TEXT_SETS

    return dataset in TEXT_SETS or (dataset in PUBLIC_SETS and PUBLIC_SETS[dataset].is_short)


def _writer(base: BaseLM | None, name: str | None, endpoint: str | None, *, vllm_share: float | None) -> QuestionWriter:
    """Who asks; the base, where no other model is named."""
    from lorify.data.self_generated.writers import EndpointWriter, LocalWriter, VllmWriter

    if name is None:
        assert base is not None
        return LocalWriter(base)
    if endpoint is not None:
        return EndpointWriter(endpoint, name)
    return LocalWriter(load_base_model(name)) if vllm_share is None else VllmWriter(name, memory_share=vllm_share)


def _teacher(base: BaseLM | None, name: str, where: str | None, *, vllm_share: float) -> Teacher:
    """Who answers."""
    from lorify.data.self_generated.teachers import EndpointTeacher, LocalTeacher, VllmTeacher

    if where is None:
        assert base is not None
        return LocalTeacher(base)
    return VllmTeacher(name, memory_share=vllm_share) if where == "vllm" else EndpointTeacher(where, name)
