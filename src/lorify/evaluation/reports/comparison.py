"""Two runs side by side: what was set differently, and whether the answers differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lorify.errors import EvaluationError
from lorify.evaluation.reports.tables import Row, paired_row
from lorify.evaluation.runs.folder import Answer, differing_keys, load_answers, load_config

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """What sets two runs apart.

    Attributes:
        settings: settings that differ, as `key: first / second`.
        rows: one row a method: scores of both runs on the questions that both asked, and the paired test.
    """

    settings: list[str]
    rows: list[Row]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the runs in two folders, method by method, on the questions that both asked.

    Where they have no method in common and one each, those two are compared.

    Raises:
        EvaluationError: if a folder holds no run, or they have no method or no question in common.
    """
    configs = load_config(first), load_config(second)
    answers = [_by_method(load_answers(folder)) for folder in (first, second)]
    pairs = [(method, method) for method in answers[0] if method in answers[1]]
    if not pairs and len(answers[0]) == len(answers[1]) == 1:
        pairs = [(next(iter(answers[0])), next(iter(answers[1])))]
    if not pairs:
        there = ["; ".join(found) or "no answers" for found in answers]
        raise EvaluationError(
            f"{first} and {second} have no method in common ({there[0]} / {there[1]}); compare runs of the same methods"
        )
    rows: list[Row] = []
    for a, b in pairs:
        one, other = answers[0][a], answers[1][b]
        common = [(one[key], other[key]) for key in one if key in other and one[key].question == other[key].question]
        if not common:
            raise EvaluationError(
                f"{first} and {second} have no question in common; compare runs of the same suite with the same seed"
            )
        row = paired_row(common)
        p = row["p"]
        assert isinstance(p, float)
        verdict = "no significant difference" if p >= SIGNIFICANT else "significant"
        rows.append({"method": a if a == b else f"{a} / {b}"} | row | {"verdict": verdict})
    return Comparison(differing_keys(*configs), rows)


def _by_method(answers: list[Answer]) -> dict[str, dict[tuple[str, int], Answer]]:
    found: dict[str, dict[tuple[str, int], Answer]] = {}
    for answer in answers:
        found.setdefault(answer.method, {})[answer.key] = answer
    return found
