"""`eval`: how good a hypernetwork is, by the project's own measures."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.terminal import counting, say_json, say_line, working
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.data.examples import Example
    from lorify.evaluation.suites import Suite
    from lorify.facade import Lorify

app = typer.Typer(help="Measure how good a hypernetwork is.", no_args_is_help=True)

RunDir = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the scores and every single answer.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]
NumDocuments = Annotated[int, typer.Option("--documents", min=1, help="Number of documents.")]

DEFAULT_LENGTHS = (512, 2048, 8192)
DEFAULT_METHODS = "none,icl,rag,adapter"
RESULTS_NAME = "results.json"
SHOWN_COLUMNS = (
    "source,condition,method,questions,exact,f1,f1_low,f1_high,rouge_l,f1_relative,update_seconds,first_token_seconds,"
    "seconds_per_token,answer_peak_mb"
).split(",")


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


@app.command("run")
def run_suite(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="What to ask: SUITE[:option=value...], or a path.")],
    methods: Annotated[
        str, typer.Option("--methods", "-m", metavar="LIST", help="How to answer: METHOD[:option=value...],METHOD...")
    ] = DEFAULT_METHODS,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens; by default the suite's own.")
    ] = None,
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
    _check_output(output)
    from lorify.evaluation.answering import answer_cases
    from lorify.evaluation.methods import parse_methods
    from lorify.evaluation.plots import write_plots
    from lorify.evaluation.reports import summarize, write_tables
    from lorify.evaluation.runs import open_run, run_config

    chosen, kinds = _parse_suite(suite), parse_methods(methods)
    model = load_model(base, hypernet)
    max_new_tokens = max_tokens or chosen.max_new_tokens
    config = run_config(model, chosen.label, kinds, max_new_tokens)
    done = open_run(output, config) if output is not None else []
    with working("collecting questions"):
        cases = chosen.build(model)
    with counting("answering", "questions") as advance:
        answers = answer_cases(
            model, cases, kinds, max_new_tokens=max_new_tokens, folder=output, done=done, report=advance
        )
    rows = summarize(answers)
    if output is not None:
        write_tables(output, config, answers, write_plots(output, answers))
    if as_json:
        say_json({"config": config.model_dump(mode="json"), "scores": rows})
    else:
        _say_table([{key: "" if row[key] is None else row[key] for key in row if key in SHOWN_COLUMNS} for row in rows])


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of another run of the same suite.")],
    as_json: Json = False,
) -> None:
    """What differs between two runs, and is it more than chance?

    Each method of both is compared on the questions that both asked, by a sign-flip test over documents.

    Example: lorify eval compare runs/facts runs/facts-longer-training
    """
    from lorify.evaluation.comparing import compare_runs

    comparison = compare_runs(first, second)
    if as_json:
        say_json({"settings": comparison.settings, "scores": comparison.rows})
        return
    for line in comparison.settings:
        say_line(line)
    _say_table(comparison.rows)


@app.command("list")
def list_kinds() -> None:
    """Suites and methods with their options, for `lorify eval run`.

    Example: lorify eval list
    """
    from lorify.evaluation.methods import METHODS
    from lorify.evaluation.specs import describe_specs
    from lorify.evaluation.suites import SUITES

    say_line("Suites\n")
    say_line(describe_specs([*SUITES.values(), _heldout_kind()]))
    say_line("\nMethods\n")
    say_line(describe_specs(METHODS.values()))


def _parse_suite(text: str) -> Suite:
    from lorify.evaluation.specs import parse_spec
    from lorify.evaluation.suites import parse_suite

    heldout = _heldout_kind()
    return parse_spec(text, {heldout.name: heldout}, "suite") if _is_heldout(text) else parse_suite(text)


def _is_heldout(text: str) -> bool:
    return text.partition(":")[0] == "heldout"


def _heldout_kind() -> type[Suite]:
    """A suite that joins evaluation to training, which do not know each other."""
    from lorify.evaluation.suites import Case, QuestionsSuite, draw_cases

    class HeldoutSuite(QuestionsSuite):
        """The passages that a training config holds out; `path` is the config."""

        name = "heldout"

        def build(self, model: Lorify) -> list[Case]:
            """The cases."""
            return draw_cases(model.base, _heldout_examples(self.path), self.documents, self.questions, self.seed)

    return HeldoutSuite


def _heldout_examples(config: Path) -> list[Example]:
    from lorify.training.config import TrainingConfig
    from lorify.training.kinds import load_run_config
    from lorify.training.prepare import prepare_passages

    run = load_run_config(config)
    examples = prepare_passages(run)[1] if isinstance(run, TrainingConfig) else []
    if not examples:
        raise EvaluationError(f"training config {config} holds out no passages; set its data.questions_path")
    return examples


def _choose_examples(questions: Path | None, heldout_of: Path | None, num_documents: int, seed: int) -> list[Example]:
    """Generated documents, or a sample of natural passages."""
    from lorify.data.questions import load_question_examples
    from lorify.evaluation.qa import fact_examples

    if questions is not None and heldout_of is not None:
        raise EvaluationError("--questions and --heldout-of exclude each other; give one of them")
    if heldout_of is not None:
        examples = _heldout_examples(heldout_of)
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
        from lorify.evaluation.runs import write_text

        output.mkdir(parents=True, exist_ok=True)
        content = json.dumps(run | {"answers": items}, indent=1, ensure_ascii=False, default=str) + "\n"
        write_text(output / RESULTS_NAME, content)
    if as_json:
        say_json(json.loads(json.dumps(run, default=str)))
        return
    _say_table(rows)


def _say_table(rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(rows[0])
    widths = [max(len(column), *(len(str(row[column])) for row in rows)) for column in columns]
    for line in [columns, *([str(row[column]) for column in columns] for row in rows)]:
        say_line("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
