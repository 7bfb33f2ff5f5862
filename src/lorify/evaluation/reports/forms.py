"""Scores of questions in one form relative to the same questions in another: follow-ups, facts in tables."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.evaluation.reports.summaries import ALL_CONDITIONS, group_answers
from lorify.evaluation.reports.tables import Row
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import mean


def summarize_forms(answers: Sequence[AnswerRecord]) -> list[Row]:
    """Divide the score of each condition that has a reference by the score of the reference, by method.

    If a source has several such conditions, a first row for each method has all of them together.
    """
    rows: list[Row] = []
    for (source, method), group in group_answers(answers, lambda a: (a.source, a.method)).items():
        by_condition = group_answers(group, lambda a: a.condition)
        pairs = [
            (condition, own, by_condition[own[0].reference])
            for condition, own in by_condition.items()
            if own[0].reference and own[0].reference in by_condition
        ]
        if len(pairs) > 1:
            own = [answer for _, chosen, _ in pairs for answer in chosen]
            references = [answer for _, _, chosen in pairs for answer in chosen]
            pairs.insert(0, (ALL_CONDITIONS, own, references))
        rows += [_row(source, method, *pair) for pair in pairs]
    return rows


def _row(
    source: str, method: str, condition: str, own: Sequence[AnswerRecord], reference: Sequence[AnswerRecord]
) -> Row:
    score, score_reference = mean([a.score for a in own]), mean([a.score for a in reference])
    return {
        "source": source,
        "condition": condition,
        "method": method,
        "questions": len(own),
        "score": round(score, 3),
        "score_reference": round(score_reference, 3),
        "relative": round(score / score_reference, 3) if score_reference else None,
    }
