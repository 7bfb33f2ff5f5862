"""Summaries of the answers of a run: mean scores with intervals, costs, and paired differences."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lorify.evaluation.reports.tables import Row
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import (
    MEGABYTE,
    PUBLISHED_METRICS,
    bootstrap_interval,
    length_bin,
    mean,
    median,
    paired_test,
)

K = TypeVar("K")

PROMPT_METHODS = ("icl", "rag")
"""Methods with the documents, or parts of them, in the prompt: the baselines that `f1_relative` refers to."""
SIGNIFICANCE_LEVEL = 0.05
ALL_CONDITIONS = "all"
REFERENCE_METHOD = "icl"
"""The method that scores of Doc-to-LoRA's evaluation are relative to, as published."""


def summarize(answers: Sequence[AnswerRecord]) -> list[Row]:
    """Summarize scores (with 95% intervals) and costs (medians over cases) by source, condition and method.

    `f1_relative` is the mean F1 divided by that of the best of `PROMPT_METHODS`, with any options, on the same
    questions. Questions with another metric than F1 have a `score` by it, and a row for `all` conditions together.
    Tasks also have `seed_deviation`, the standard deviation of the means of the seeds.
    Suite `d2l` also has `score_relative`, the score divided by that of `icl`, `precision` and `recall`.
    """
    rows: list[Row] = []
    for (source, condition), group in _by_condition(answers).items():
        by_method = group_answers(group, lambda a: a.method)
        prompted = [chosen for method, chosen in by_method.items() if method.partition(":")[0] in PROMPT_METHODS]
        reference = max((mean([a.f1 for a in chosen]) for chosen in prompted), default=None)
        for method, chosen in by_method.items():
            f1 = mean([a.f1 for a in chosen])
            rows.append(
                {"source": source, "condition": condition, "method": method, "questions": len(chosen)}
                | _scores(chosen)
                | _task_scores(chosen)
                | _published_scores(chosen, by_method.get(REFERENCE_METHOD, ()))
                | {"f1_relative": round(f1 / reference, 3) if reference else None}
                | _costs(chosen)
            )
    return rows


def summarize_lengths(answers: Sequence[AnswerRecord], *, exact_lengths: bool = False) -> list[Row]:
    """Summarize scores by document length and method.

    Args:
        answers: the answers.
        exact_lengths: use exact lengths in tokens; otherwise bins whose upper ends are powers of two.
    """

    def length_of(answer: AnswerRecord) -> int:
        return answer.length_tokens if exact_lengths else length_bin(answer.length_tokens)

    groups = group_answers(answers, lambda a: (length_of(a), a.method))
    return [
        {"length": length, "method": method, "questions": len(chosen)} | _scores(chosen)
        for (length, method), chosen in sorted(groups.items())
    ]


def summarize_families(answers: Sequence[AnswerRecord]) -> list[Row]:
    """Summarize scores by family of tasks and method."""
    rows: list[Row] = []
    for (family, method), chosen in sorted(group_answers(answers, lambda a: (a.family, a.method)).items()):
        scores = {key: value for key, value in _task_scores(chosen).items() if not key.startswith("seed")}
        rows.append({"family": family, "method": method, "questions": len(chosen)} | scores)
    return rows


def summarize_benchmarks(answers: Sequence[AnswerRecord]) -> list[Row]:
    """Summarize Text-to-LoRA's benchmarks as its tables do: a row for each method, with scores in percent.

    The score of a benchmark is the mean over its items and descriptions, `average` the mean over the benchmarks.
    """
    families = list(dict.fromkeys(a.family for a in answers))
    rows: list[Row] = []
    for method, chosen in group_answers(answers, lambda a: a.method).items():
        by_family = group_answers(chosen, lambda a: a.family)
        scores = {
            family: 100 * mean([a.score for a in by_family[family]]) for family in families if family in by_family
        }
        average = mean(list(scores.values())) if len(scores) == len(families) else None
        rows.append(
            {"method": method}
            | {family: round(scores[family], 2) if family in scores else None for family in families}
            | {"average": None if average is None else round(average, 2)}
        )
    return rows


def summarize_pairs(answers: Sequence[AnswerRecord]) -> list[Row]:
    """Compare each pair of methods within a source, on the questions that both answered.

    The score is F1, or the metric of the task. The p-value is that of a sign-flip test over cases or tasks.
    """
    rows: list[Row] = []
    for source, group in group_answers(answers, lambda a: a.source).items():
        by_method = {m: {a.key: a for a in chosen} for m, chosen in group_answers(group, lambda a: a.method).items()}
        methods = list(by_method)
        for i, first in enumerate(methods):
            for second in methods[i + 1 :]:
                common = [key for key in by_method[first] if key in by_method[second]]
                if common:
                    pairs = [(by_method[first][key], by_method[second][key]) for key in common]
                    rows.append({"source": source, "first": first, "second": second} | compare_pairs(pairs))
    return rows


def compare_pairs(pairs: Sequence[tuple[AnswerRecord, AnswerRecord]]) -> Row:
    """Test the difference in score, second minus first, between two answers to each question."""
    first, second = [a.score for a, _ in pairs], [b.score for _, b in pairs]
    result = paired_test(first, second, groups=[a.group for a, _ in pairs])
    return {
        "questions": len(pairs),
        "score_first": round(mean(first), 3),
        "score_second": round(mean(second), 3),
        "difference": round(result.difference, 3),
        "low": round(result.low, 3),
        "high": round(result.high, 3),
        "p": round(result.p_value, 4),
    }


def group_answers(answers: Iterable[AnswerRecord], key: Callable[[AnswerRecord], K]) -> dict[K, list[AnswerRecord]]:
    """Group answers by a key, in order of first appearance."""
    groups: dict[K, list[AnswerRecord]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return groups


def _by_condition(answers: Sequence[AnswerRecord]) -> dict[tuple[str, str], Sequence[AnswerRecord]]:
    """Group answers by source and condition; a source with several conditions and metrics gets `all` of them too."""
    groups: dict[tuple[str, str], Sequence[AnswerRecord]] = {}
    for source, of_source in group_answers(answers, lambda a: a.source).items():
        conditions = group_answers(of_source, lambda a: a.condition)
        if len(conditions) > 1 and len({a.metric for a in of_source}) > 1:
            groups[source, ALL_CONDITIONS] = of_source
        groups |= {(source, condition): group for condition, group in conditions.items()}
    return groups


def _scores(answers: Sequence[AnswerRecord]) -> Row:
    groups = [a.group for a in answers]
    exact_low, exact_high = bootstrap_interval([a.exact for a in answers], groups=groups)
    f1_low, f1_high = bootstrap_interval([a.f1 for a in answers], groups=groups)
    return {
        "exact": round(mean([a.exact for a in answers]), 3),
        "exact_low": round(exact_low, 3),
        "exact_high": round(exact_high, 3),
        "f1": round(mean([a.f1 for a in answers]), 3),
        "f1_low": round(f1_low, 3),
        "f1_high": round(f1_high, 3),
        "contains": round(mean(known), 3)
        if (known := [a.contains for a in answers if a.contains is not None])
        else None,
        "rouge_l": round(mean([a.rouge_l for a in answers]), 3),
        "rouge_l_recall": round(mean([a.rouge_l_recall for a in answers]), 3),
    }


def _task_scores(answers: Sequence[AnswerRecord]) -> Row:
    """Summarize scores by metrics other than F1, of questions or tasks; all None if there is none."""
    row: Row = dict.fromkeys(("tasks", "seeds", "score", "score_low", "score_high", "seed_deviation"))
    if not any(a.family or a.metric != "f1" for a in answers):
        return row
    low, high = bootstrap_interval([a.score for a in answers], groups=[a.group for a in answers])
    shown = {
        "score": round(mean([a.score for a in answers]), 3),
        "score_low": round(low, 3),
        "score_high": round(high, 3),
    }
    if not any(a.family for a in answers):
        return row | shown
    seeds = [mean([a.score for a in chosen]) for chosen in group_answers(answers, lambda a: a.seed).values()]
    return row | {
        "tasks": len({a.group for a in answers}),
        "seeds": len(seeds),
        **shown,
        "seed_deviation": round(statistics.stdev(seeds), 4) if len(seeds) > 1 else None,
    }


def _published_scores(answers: Sequence[AnswerRecord], reference: Sequence[AnswerRecord]) -> Row:
    """Compare scores of Doc-to-LoRA's evaluation with those of `icl`; all None if answers have other metrics."""
    row: Row = dict.fromkeys(("score_relative", "precision", "recall"))
    if not all(a.metric in PUBLISHED_METRICS for a in answers):
        return row
    of_reference = mean([a.score for a in reference]) if reference else 0.0
    return {
        "score_relative": round(mean([a.score for a in answers]) / of_reference, 3) if of_reference else None,
        "precision": round(mean([a.precision or 0.0 for a in answers]), 3),
        "recall": round(mean([a.recall or 0.0 for a in answers]), 3),
    }


def _costs(answers: Sequence[AnswerRecord]) -> Row:
    updates = [a for a in answers if a.index == 0]  # one for each case
    timed = [a for a in answers if a.first_token_seconds is not None]
    return {
        "update_seconds": median([a.update_seconds for a in updates], 3),
        "prompt_tokens": median([a.prompt_tokens for a in timed], 0),
        "first_token_seconds": median([a.first_token_seconds for a in timed], 3),
        "seconds_per_token": median([a.seconds_per_token for a in timed], 4),
        "update_peak_mb": median([a.update_peak_bytes for a in updates], 0, MEGABYTE),
        "answer_peak_mb": median([a.answer_peak_bytes for a in timed], 0, MEGABYTE),
        "adapter_mb": median([a.adapter_bytes for a in updates], 2, MEGABYTE),
        "kept_mb": median([a.kept_bytes for a in updates], 2, MEGABYTE),
        "kv_cache_mb": median([a.kv_cache_bytes for a in timed], 2, MEGABYTE),
    }
