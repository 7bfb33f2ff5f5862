"""Two runs side by side: which settings differ, and whether the scores differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lorify.errors import EvaluationError
from lorify.evaluation.reports.summaries import SIGNIFICANCE_LEVEL, compare_pairs, group_answers
from lorify.evaluation.reports.tables import Row
from lorify.evaluation.runs.folder import load_answers, load_config
from lorify.evaluation.runs.records import AnswerRecord, differing_settings

_Answers = dict[tuple[str, int], AnswerRecord]


@dataclass(frozen=True)
class Comparison:
    """Differences between two runs.

    Attributes:
        settings: settings that differ, as `key: first / second`.
        rows: one row for each method: the scores of both runs on their common questions, and the paired test.
    """

    settings: list[str]
    rows: list[Row]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the runs in two folders, method by method, on the questions that both asked.

    If they have no method in common and one method each, these two are compared.

    Raises:
        EvaluationError: if a folder holds no run, or the runs have no method or no question in common.
    """
    configs = load_config(first), load_config(second)
    answers = _answers_by_method(first), _answers_by_method(second)
    pairs = [(method, method) for method in answers[0] if method in answers[1]]
    if not pairs and len(answers[0]) == len(answers[1]) == 1:
        pairs = [(next(iter(answers[0])), next(iter(answers[1])))]
    if not pairs:
        methods = ["; ".join(found) or "no answers" for found in answers]
        raise EvaluationError(
            f"{first} and {second} have no method in common ({methods[0]} / {methods[1]}); compare runs of the same "
            "methods"
        )
    rows: list[Row] = []
    for a, b in pairs:
        common = _common_questions(answers[0][a], answers[1][b])
        if not common:
            raise EvaluationError(
                f"{first} and {second} have no question in common; compare runs of the same suite with the same seed"
            )
        rows.append({"method": a if a == b else f"{a} / {b}"} | _test(common))
    return Comparison(differing_settings(*configs), rows)


def _answers_by_method(folder: Path) -> dict[str, _Answers]:
    by_method = group_answers(load_answers(folder), lambda a: a.method)
    return {method: {answer.key: answer for answer in chosen} for method, chosen in by_method.items()}


def _common_questions(first: _Answers, second: _Answers) -> list[tuple[AnswerRecord, AnswerRecord]]:
    keys = [key for key in first if key in second and first[key].question == second[key].question]
    return [(first[key], second[key]) for key in keys]


def _test(pairs: list[tuple[AnswerRecord, AnswerRecord]]) -> Row:
    row = compare_pairs(pairs)
    p = row["p"]
    assert isinstance(p, float)
    return row | {"verdict": "no significant difference" if p >= SIGNIFICANCE_LEVEL else "significant"}
