"""`eval`: how good a hypernetwork is, by the project's own measures."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.terminal import counting, say_json, say_line
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.data.examples import Example
    from lorify.facade import Lorify

app = typer.Typer(help="Measure how good a hypernetwork is.", no_args_is_help=True)

RunDir = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the scores and every single answer.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]
NumDocuments = Annotated[int, typer.Option("--documents", min=1, help="Number of documents.")]

DEFAULT_LENGTHS = (512, 2048, 8192)
RESULTS_NAME = "results.json"


@app.command()
def niah(
    lengths: Annotated[
        list[int] | None, typer.Option("--length", "-l", min=32, help="Length in tokens; may be given several times.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Haystacks for each length and depth.")] = 1,
    seed: Seed = 0,
    output: RunDir = None,
    base: Base = None,
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Needle in a haystack by length and depth.

    With -o also a heat map as a PNG.

    Example: lorify eval niah -l 1024 -l 8192 -o runs/niah
    """
    _check_output(output)
    from lorify.evaluation.niah import accuracy_by_length, evaluate_niah, plot_heat_map

    model = load_model(base, hypernet)
    settings = {"lengths": list(lengths or DEFAULT_LENGTHS), "samples_per_cell": samples, "seed": seed}
    with counting("searching", "haystacks") as advance:
        items = evaluate_niah(model, **settings, report=advance)
    rows = [{"length": length, "exact": round(score, 3)} for length, score in accuracy_by_length(items).items()]
    _report("niah", model, settings, rows, [asdict(item) for item in items], output, as_json)
    if output is not None:
        plot_heat_map(items, output / "heat-map.png")


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
    output: RunDir = None,
    base: Base = None,
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Questions about unseen documents.

    They are answered with the adapter, with the document in the prompt (icl) and by the bare base (none). By default
    on generated documents of facts.

    Example: lorify eval qa --documents 20 -o runs/qa
    """
    _check_output(output)
    from lorify.evaluation.qa import evaluate_qa, summarize_qa

    examples = _choose_examples(questions, heldout_of, documents, seed)
    model = load_model(base, hypernet)
    settings = {"questions": questions, "heldout_of": heldout_of, "documents": len(examples), "seed": seed}
    with counting("answering", "questions") as advance:
        items = evaluate_qa(model, examples, report=advance)
    _report("qa", model, settings, summarize_qa(items), [asdict(item) for item in items], output, as_json)


@app.command()
def agreement(
    documents: NumDocuments = 20,
    seed: Seed = 0,
    output: RunDir = None,
    base: Base = None,
    hypernet: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Are unrelated questions still answered as the base answers them?

    Token F1 between the bare base's greedy answers and those with an adapter loaded, on 200 general prompts; and the
    same if the adapter were on for every prompt, whether it concerns the document or not.

    Example: lorify eval agreement --documents 5
    """
    _check_output(output)
    from lorify.evaluation.agreement import evaluate_agreement
    from lorify.evaluation.metrics import bootstrap_interval, mean
    from lorify.evaluation.qa import fact_examples

    model = load_model(base, hypernet)
    with counting("answering", "prompts") as advance:
        items = evaluate_agreement(model, fact_examples(documents, seed=seed), report=advance)
    rows = []
    for name, scores in (
        ("on if relevant", [item.f1 for item in items]),
        ("always on", [item.always_on_f1 for item in items]),
    ):
        low, high = (round(x, 3) for x in bootstrap_interval(scores))
        rows.append(
            {"adapter": name, "prompts": len(items), "f1": round(mean(scores), 3), "f1_low": low, "f1_high": high}
        )
    settings = {"documents": documents, "seed": seed}
    _report("agreement", model, settings, rows, [asdict(item) for item in items], output, as_json)


def _choose_examples(questions: Path | None, heldout_of: Path | None, num_documents: int, seed: int) -> list[Example]:
    """Generated documents, or a sample of natural passages."""
    from lorify.data.questions import load_question_examples
    from lorify.evaluation.qa import fact_examples

    if questions is not None and heldout_of is not None:
        raise EvaluationError("--questions and --heldout-of exclude each other; give one of them")
    if heldout_of is not None:
        from lorify.training.config import load_training_config
        from lorify.training.prepare import prepare_passages

        examples = prepare_passages(load_training_config(heldout_of))[1]
        if not examples:
            raise EvaluationError(f"training config {heldout_of} holds out no passages; set its data.questions_path")
    elif questions is not None:
        examples = load_question_examples(questions)
    else:
        return fact_examples(num_documents, seed=seed)
    return random.Random(seed).sample(examples, min(num_documents, len(examples)))


def _check_output(folder: Path | None) -> None:
    if folder is not None and folder.exists() and not folder.is_dir():
        raise EvaluationError(f"output {folder} is a file; give a folder with -o")


def _report(
    name: str,
    model: Lorify,
    settings: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    items: Sequence[Mapping[str, Any]],
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the scores, and to the folder also what they were measured with and every single answer."""
    run = {
        "evaluation": name,
        "lorify_version": version("lorify"),
        "base": {"name": model.base.name, "digest": model.base.digest},
        "hypernetwork": {"name": model.internalizer.name, "digest": model.internalizer.digest},
        "settings": settings,
        "scores": rows,
    }
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        content = json.dumps(run | {"answers": items}, indent=1, ensure_ascii=False, default=str) + "\n"
        _write_whole(output / RESULTS_NAME, lambda path: path.write_text(content, encoding="utf-8"))
    if as_json:
        say_json(json.loads(json.dumps(run, default=str)))
        return
    columns = list(rows[0])
    widths = [max(len(column), *(len(str(row[column])) for row in rows)) for column in columns]
    for line in [columns, *([str(row[column]) for column in columns] for row in rows)]:
        say_line("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
