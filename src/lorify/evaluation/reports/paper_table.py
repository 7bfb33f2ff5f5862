"""One table of several runs as in a paper: methods in rows, data sets in columns, and what each method costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lorify.errors import EvaluationError
from lorify.evaluation.reports.summaries import REFERENCE_METHOD, group_answers
from lorify.evaluation.reports.tables import Row
from lorify.evaluation.runs.folder import load_answers
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import MEGABYTE, PUBLISHED_METRICS, mean, median


@dataclass(frozen=True)
class PaperTable:
    """Scores and costs of several runs.

    Attributes:
        scores: for each method, its score on each data set, and relative to `icl` in brackets.
        costs: for each method, median time and peak memory of an update, and the time to the first token.
    """

    scores: list[Row]
    costs: list[Row]


def paper_table(runs: Mapping[str, Path]) -> PaperTable:
    """Join runs into one table.

    A data set's scores are divided by that of `icl` in the first run that has it. Where several runs have the same
    method and data set, the first one is in the method's row, and the others have rows with the names of their runs.

    Args:
        runs: run folders by the name that tells them apart.

    Raises:
        EvaluationError: if a folder holds no answers.
    """
    answers: dict[str, Sequence[AnswerRecord]] = {name: load_answers(folder) for name, folder in runs.items()}
    for name, own in answers.items():
        if not own:
            raise EvaluationError(f"{runs[name]} has no answers; give folders that `lorify eval` wrote")
    cells: dict[tuple[str, str], dict[str, list[AnswerRecord]]] = {}
    for name, own in answers.items():
        for (method, column), chosen in group_answers(own, lambda a: (a.method, _column(a))).items():
            cells.setdefault((method, column), {})[name] = chosen
    rows: dict[str, dict[str, list[AnswerRecord]]] = {}
    for (method, column), by_run in cells.items():
        for number, (name, chosen) in enumerate(by_run.items()):
            label = f"{method} ({name})" if number else method
            rows.setdefault(label, {})[column] = chosen
    columns = list(dict.fromkeys(column for _, column in cells))
    references = {column: _reference(cells, column) for column in columns}
    scores: list[Row] = []
    costs: list[Row] = []
    for label, row in rows.items():
        scores.append({"method": label, **{c: _cell(row.get(c), references[c]) for c in columns}})
        costs.append({"method": label, **_costs([a for own in row.values() for a in own])})
    return PaperTable(scores, costs)


def _column(answer: AnswerRecord) -> str:
    """The data set with its condition; needles by their length."""
    if answer.depth_bin is not None:
        return f"{answer.source} {answer.length_tokens}"
    return f"{answer.source}, {answer.condition}" if answer.condition else answer.source


def _reference(cells: Mapping[tuple[str, str], Mapping[str, Sequence[AnswerRecord]]], column: str) -> float | None:
    of_reference = cells.get((REFERENCE_METHOD, column))
    return _score(next(iter(of_reference.values()))) if of_reference else None


def _score(answers: Sequence[AnswerRecord]) -> float:
    """The published score, or else exact match for needles, or else F1."""
    if all(a.metric in PUBLISHED_METRICS for a in answers):
        return mean([a.score for a in answers])
    return mean([a.exact if a.depth_bin is not None else a.f1 for a in answers])


def _cell(answers: Sequence[AnswerRecord] | None, reference: float | None) -> str | None:
    if not answers:
        return None
    score = _score(answers)
    return f"{score:.3f} ({score / reference:.2f})" if reference else f"{score:.3f}"


def _costs(answers: Sequence[AnswerRecord]) -> Row:
    updates = [a for a in answers if a.index == 0]
    timed = [a for a in answers if a.first_token_seconds is not None]
    return {
        "questions": len(answers),
        "update_seconds": median([a.update_seconds for a in updates], 3),
        "update_peak_mb": median([a.update_peak_bytes for a in updates], 0, MEGABYTE),
        "first_token_seconds": median([a.first_token_seconds for a in timed], 3),
    }
