"""One page with the results of several runs: scores, settings, machine and command of each."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lorify.errors import EvaluationError
from lorify.evaluation.benchmarks.names import SOURCE as BENCHMARKS
from lorify.evaluation.reports.run_report import FINDINGS_NAME, LENGTHS_NAME, PAIRS_NAME, TABLE_NAME
from lorify.evaluation.reports.summaries import SIGNIFICANCE_LEVEL
from lorify.evaluation.reports.tables import as_markdown
from lorify.evaluation.runs.folder import ENVIRONMENT_NAME, load_config, write_text
from lorify.evaluation.runs.records import RunConfig
from lorify.evaluation.specs import update_label
from lorify.json_text import parse_json

COLUMNS = (
    "condition,method,questions,tasks,seeds,score,score_low,score_high,seed_deviation,exact,f1,f1_low,f1_high,contains,"
    "rouge_l,rouge_l_recall,f1_relative,update_seconds,first_token_seconds,seconds_per_token,update_peak_mb,answer_peak_mb,"
    "adapter_mb,kept_mb,kv_cache_mb"
).split(",")
LENGTH_COLUMNS = ("length", "method", "questions", "exact", "f1")
PAIR_COLUMNS = ("first", "second", "questions", "difference", "low", "high", "p")
LABEL_COLUMNS = frozenset({"method", "first", "second"})
INTRODUCTION = (
    "Written by `lorify eval report`. Scores are means over questions; `f1_low` and `f1_high` are a 95% bootstrap "
    "interval over documents, `contains` is the share of answers that contain an expected answer, and `f1_relative` "
    "is F1 divided by that of the best method with documents in the prompt (`icl` or `rag`). Tasks have a `score` by "
    "their own metric, with an interval over tasks. Times and sizes are medians over documents. "
    "Memory is the peak of the whole process on a CPU, and the peak that PyTorch allocated on CUDA. Methods took "
    "turns, document by document, on the same machine."
)


def write_results(folders: Sequence[Path], path: Path) -> None:
    """Write the page.

    Args:
        folders: folders of finished runs.
        path: Markdown file to write; plots are linked from the run folders.

    Raises:
        EvaluationError: if a folder holds no finished run, or the page cannot be written.
    """
    text = "\n\n".join(["# Results", INTRODUCTION, *(_section(folder, path) for folder in folders)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text + "\n")
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written ({error.strerror}); give a file with -o") from error


def _section(folder: Path, page: Path) -> str:
    config = load_config(folder)
    table = _read_table(folder, TABLE_NAME)
    parts = [f"## {folder.name}", _origin(folder, config), as_markdown(_select(table, COLUMNS))]
    lengths = _read_table(folder, LENGTHS_NAME) if (folder / LENGTHS_NAME).exists() else []
    if len({row["length"] for row in lengths}) > 1:
        parts += [
            "By length of the documents (tokens, upper end of the bin):",
            as_markdown(_select(lengths, LENGTH_COLUMNS)),
        ]
    pairs = [row for row in _read_table(folder, PAIRS_NAME) if float(row["p"]) < SIGNIFICANCE_LEVEL]
    if pairs:
        parts += [
            "Significant differences in score, second minus first (sign-flip test over documents or tasks):",
            as_markdown(_select(pairs, PAIR_COLUMNS)),
        ]
    if (folder / FINDINGS_NAME).exists():
        parts.append(as_markdown(_read_table(folder, FINDINGS_NAME)))
    for plot in sorted(folder.glob("*.png")):
        parts.append(f"![{folder.name}: {plot.stem}]({os.path.relpath(plot, page.parent)})")
    return "\n\n".join(parts)


def _origin(folder: Path, config: RunConfig) -> str:
    """Name the models, the machine, the date and the command of a run."""
    path = folder / ENVIRONMENT_NAME
    try:
        environment = parse_json(path.read_text(encoding="utf-8"))
        versions = environment["versions"]
        machine = f"{environment['cuda'] or environment['processor']}, {environment['threads']} threads"
        when = environment["written"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(f"{path} is missing or damaged ({error}); run the evaluation again") from error
    digest = (config.hypernetwork_digest or "")[:8]
    hypernetwork = f"hypernetwork {config.hypernetwork} ({digest})" if config.hypernetwork else "no hypernetwork"
    return (
        f"Base {config.base} ({config.base_digest[:8]}, {config.dtype}), {hypernetwork}; {machine}; {when}; lorify "
        f"{versions.get('lorify')}, torch {versions.get('torch')}, transformers {versions.get('transformers')}.\n\n"
        f"`{_command(config)}`"
    )


def _command(config: RunConfig) -> str:
    if config.suite.startswith(f"{BENCHMARKS} "):
        return f"lorify eval {config.suite}"
    command = f"lorify eval run {config.suite} -m {','.join(config.methods)} --max-tokens {config.max_new_tokens}"
    return command if config.timed else f"{command} --untimed"


def _read_table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{path} cannot be read, so the run is not finished; run the same evaluation again to finish it"
        ) from error
    return [{key: update_label(v) if key in LABEL_COLUMNS else v for key, v in row.items()} for row in rows]


def _select(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[dict[str, str]]:
    return [{key: row[key] for key in columns if key in row} for row in rows]
