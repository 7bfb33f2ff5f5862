"""`generate-data`: build self-generated training data from plain documents or a public data set."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Base, Output, load_base_model
from lorify.commands.terminal import print_line, show_progress
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.base.model import BaseLM
    from lorify.data.self_generated.pipeline import Part
    from lorify.data.self_generated.prompts import PromptStyle
    from lorify.data.self_generated.teachers import Teacher
    from lorify.data.self_generated.writers import QuestionWriter

DEVICE_SHARE = 0.9
SHARED_DEVICE_SHARE = 0.45
"""Share of the device memory that vLLM takes: alone, and when the writer and the teacher both run in vLLM."""

_Documents = Annotated[
    Path | None,
    typer.Argument(metavar="PATH", help="JSON lines with a `text` field; with --dataset, a local copy of the set."),
]
_Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Public data set: squad, drop, ropes, pwc or fineweb-edu.")
]
_Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of contexts.")]
_Offset = Annotated[
    int | None,
    typer.Option(
        "--offset",
        min=0,
        help="Number of contexts to skip. Several machines can fill one folder with such parts, and parts can be added "
        "to it later; offset and limit are multiples of 64.",
    ),
]
_Prompts = Annotated[
    str,
    typer.Option(
        "--prompts",
        help="Wording of the requests: lorify, or published (as in Doc-to-LoRA; also drops answers that are cut off).",
    ),
]
_AnswerTokens = Annotated[int, typer.Option("--answer-tokens", min=1, help="Longest answer, in tokens.")]
_Batch = Annotated[
    int, typer.Option("--batch", min=1, help="Questions that the base answers at a time in this process.")
]
_Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible endpoint that serves the writer.")
]
_Writer = Annotated[
    str | None,
    typer.Option("--writer", help="Model that writes the questions, local or at the endpoint. Default: the base."),
]
_Vllm = Annotated[bool, typer.Option("--vllm", help="Run the writer in vLLM in this process, in large batches.")]
_TeacherLocation = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="WHERE",
        help="Where the base answers: `vllm`, or the URL of an OpenAI-compatible endpoint that serves it. "
        "Default: in this process.",
    ),
]
_Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Rounds of questions per document.")]
_Questions = Annotated[int, typer.Option("--questions", min=1, help="Questions per round.")]
_Short = Annotated[
    bool | None,
    typer.Option("--short/--long", help="Request short answers. Default: as published for the data set, else long."),
]


def generate_data(
    output: Output,
    documents: _Documents = None,
    dataset: _Dataset = None,
    limit: _Limit = None,
    offset: _Offset = None,
    base: Base = None,
    endpoint: _Endpoint = None,
    writer: _Writer = None,
    vllm: _Vllm = False,
    teacher: _TeacherLocation = None,
    rounds: _Rounds = 1,
    questions: _Questions = 5,
    short: _Short = None,
    prompts: _Prompts = "lorify",
    answer_tokens: _AnswerTokens = 256,
    batch: _Batch = 8,
) -> None:
    """Generate questions and answers to train on.

    The questions are about documents. The base's answers are stored with its log-probabilities. Public data sets bring
    the questions of their training split, except fineweb-edu, whose questions a model writes. Run the same command
    again to resume after the last complete shard.

    Example: lorify generate-data texts.jsonl -o data/mine --endpoint http://localhost:8000/v1 --writer qwen3-8b
    """
    from lorify.base.files.locate import DEFAULT_BASE
    from lorify.data.self_generated.pipeline import GenerationSettings, generate_self_generated

    style = _prompt_style(prompts)
    _check_options(endpoint, writer, vllm, teacher)
    contexts, question_writer = _load_contexts(documents, dataset, limit, offset or 0)
    base_name = base or DEFAULT_BASE
    base_writes = question_writer is None and writer is None
    loaded = load_base_model(base_name) if teacher is None or base_writes else None
    device_share = SHARED_DEVICE_SHARE if vllm and teacher == "vllm" else DEVICE_SHARE
    if question_writer is None:
        vllm_share = device_share if vllm else None
        question_writer = _build_writer(loaded, writer, endpoint, vllm_share=vllm_share, style=style)
    settings = GenerationSettings(
        rounds=rounds,
        questions_per_round=questions,
        short_answers=_publishes_short_answers(dataset) if short is None else short,
        prompts=style,
        max_new_tokens=answer_tokens,
    )
    with show_progress("generating", "documents") as advance:
        generate_self_generated(
            contexts,
            output,
            teacher=_build_teacher(loaded, base_name, teacher, vllm_share=device_share, batch=batch),
            writer=question_writer,
            settings=settings,
            report=advance,
            part=None if offset is None else _part(dataset, documents, offset, limit, len(contexts)),
        )
    print_line(str(output))


def _check_options(endpoint: str | None, writer: str | None, vllm: bool, teacher: str | None) -> None:
    if (endpoint is not None or vllm) and writer is None:
        option = "--vllm" if vllm else "--endpoint"
        raise EvaluationError(f"{option} needs the name of a model; give it with --writer")
    if endpoint is not None and vllm:
        raise EvaluationError("--endpoint and --vllm cannot be given together; choose where the writer runs")
    if teacher not in (None, "vllm") and not teacher.startswith(("http://", "https://")):
        raise EvaluationError(f"--teacher {teacher!r} is unknown; give vllm, or a URL such as http://localhost:8000/v1")


def _prompt_style(name: str) -> PromptStyle:
    from lorify.data.self_generated.prompts import PROMPTS

    for style in PROMPTS:
        if style == name:
            return style
    raise EvaluationError(f"--prompts {name!r} is unknown; choose from {', '.join(PROMPTS)}")


def _part(dataset: str | None, documents: Path | None, offset: int, limit: int | None, num_contexts: int) -> Part:
    from lorify.data.self_generated.pipeline import Part

    is_last = limit is None or num_contexts < limit
    return Part(dataset or str(documents and documents.resolve()), offset, is_last)


def _load_contexts(
    documents: Path | None, dataset: str | None, limit: int | None, offset: int
) -> tuple[list[str], QuestionWriter | None]:
    """The contexts, with their own questions if the data set has any."""
    from lorify.data.self_generated.writers import GivenQuestions
    from lorify.data.sources.public import TEXT_DATASETS, load_public_examples, stream_public_texts
    from lorify.data.sources.texts import read_texts

    if dataset in TEXT_DATASETS:
        if limit is None:
            raise EvaluationError(f"{dataset} is too large to process whole; set the number of texts with --limit")
        return list(islice(stream_public_texts(dataset, documents), offset, offset + limit)), None
    end = None if limit is None else offset + limit
    if dataset is not None:
        examples = load_public_examples(dataset, documents, purpose="train")[offset:end]
        return [example.documents[0] for example in examples], GivenQuestions(examples, dataset)
    if documents is None:
        raise EvaluationError("no documents given; give a JSON lines file, or a data set with --dataset")
    return list(islice(read_texts(documents), offset, end)), None


def _publishes_short_answers(dataset: str | None) -> bool:
    """Return whether Doc-to-LoRA requests short answers for this data set."""
    from lorify.data.sources.public import QUESTION_DATASETS, TEXT_DATASETS

    return dataset in TEXT_DATASETS or (dataset in QUESTION_DATASETS and QUESTION_DATASETS[dataset].is_short)


def _build_writer(
    base: BaseLM | None, name: str | None, endpoint: str | None, *, vllm_share: float | None, style: PromptStyle
) -> QuestionWriter:
    """The model that writes the questions; `vllm_share` is None unless it runs in vLLM."""
    from lorify.data.self_generated.prompts import PROMPTS
    from lorify.data.self_generated.writers import EndpointWriter, LocalWriter, VllmWriter

    prompts = PROMPTS[style]()
    if name is None:
        assert base is not None
        return LocalWriter(base, prompts)
    if endpoint is not None:
        return EndpointWriter(endpoint, name, prompts)
    if vllm_share is not None:
        return VllmWriter(name, memory_share=vllm_share, prompts=prompts)
    return LocalWriter(load_base_model(name), prompts)


def _build_teacher(base: BaseLM | None, name: str, where: str | None, *, vllm_share: float, batch: int) -> Teacher:
    """The base as the teacher: in this process, in vLLM or behind an endpoint."""
    from lorify.data.self_generated.remote_teachers import EndpointTeacher, VllmTeacher
    from lorify.data.self_generated.teachers import LocalTeacher

    if where is None:
        assert base is not None
        return LocalTeacher(base, batch)
    return VllmTeacher(name, memory_share=vllm_share) if where == "vllm" else EndpointTeacher(where, name)
