"""Fitting what estimates whether the adapter of a description does its task, on tasks with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lorify.adapters import AdapterStack
from lorify.answering.batches import answer_in_batches
from lorify.answering.calibration.description_estimate import DescriptionModel, DescriptionProbe, DescriptionSignals
from lorify.answering.plan import Query
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import ContextError, EvaluationError
from lorify.evaluation.scoring.calibration import Report, Row
from lorify.evaluation.scoring.confidence import auroc, fit_by_document
from lorify.evaluation.scoring.metrics import score_answer
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

DONE_SCORE = 0.5
"""A task is done if the mean score of its inputs is at least this."""
WARN_BELOW = 0.3
"""Users are warned of descriptions with a lower probability."""


@dataclass(frozen=True)
class TriedDescription:
    """A description whose adapter was tried on inputs of its task.

    Attributes:
        suite: label of the suite.
        family: family of the task.
        signals: signals of the description.
        is_done: whether the adapter does the task.
    """

    suite: str
    family: str
    signals: DescriptionSignals
    is_done: bool


def try_descriptions(
    model: Lorify, suites: Sequence[Suite], *, report: Report = lambda done, total: None
) -> list[TriedDescription]:
    """Give the inputs of tasks to the adapters of their descriptions.

    Args:
        model: base and task hypernetwork.
        suites: suites of tasks.
        report: called with the number of descriptions finished since the last call, and of all descriptions.

    Returns:
        The descriptions, without those that are too long for an adapter.

    Raises:
        EvaluationError: if a suite has other cases than tasks, or all descriptions are too long.
    """
    cases = [(suite, case) for suite in suites for case in suite.build(model)]
    probe: DescriptionProbe | None = None
    tried: list[TriedDescription] = []
    for suite, case in cases:
        if case.task is None:
            raise EvaluationError(f"{suite.label} has no tasks; give suites such as tasks or fuzzy")
        try:
            adapter = model.specialize(case.task.description)
        except ContextError:  # longer than the encoder reads, which users are told
            report(1, len(cases))
            continue
        probe = probe or DescriptionProbe(model.base, model.answerer.prompts_for(AdapterStack.of(adapter)))
        queries = [Query(q.text, AdapterStack.of(adapter), only_if_relevant=False) for q in case.questions]
        plans = model.answerer.plan([model.answerer.request(query) for query in queries])
        options = GenerationOptions(case.max_new_tokens or suite.max_new_tokens)
        answers = answer_in_batches(model.answerer, list(zip(queries, plans, strict=True)), options)
        signals = probe.signals(adapter, case.task.description)
        tried.append(
            TriedDescription(suite.label, case.task.family, signals, _is_done(case, [a.text for a in answers]))
        )
        report(1, len(cases))
    if not tried:
        raise EvaluationError("there is no description short enough for an adapter; use other suites")
    return tried


def fit_descriptions(tried: Sequence[TriedDescription], hypernetwork_digest: str) -> DescriptionModel:
    """Fit the model; its AUROC is measured on families left out of the fit.

    Args:
        tried: descriptions, some of which are done.
        hypernetwork_digest: SHA-256 of the weights of the task hypernetwork.

    Raises:
        EvaluationError: if all tasks are done, none is, or all are of one family.
    """
    x = np.array([each.signals for each in tried], dtype=float)  # [descriptions, signals]
    is_done = [each.is_done for each in tried]
    # Standardized, since one ridge is to serve signals of different sizes.
    center, scale = x.mean(0), x.std(0) + 1e-6
    fit = fit_by_document(((x - center) / scale).tolist(), is_done, [each.family for each in tried])
    weights = np.array(fit.weights) / scale
    return DescriptionModel(
        hypernetwork_digest=hypernetwork_digest,
        bias=round(float(fit.bias - weights @ center), 4),
        weights=tuple(np.round(weights, 4).tolist()),  # pyright: ignore[reportArgumentType]
        threshold=WARN_BELOW,
        auroc=round(auroc(fit.unseen.tolist(), is_done), 4),
        questions=len(tried),
    )


def measure_descriptions(tried: Sequence[TriedDescription], fitted: DescriptionModel) -> list[Row]:
    """Return a row for each suite, and one for all: descriptions, share done, mean probability, AUROC.

    The AUROC of a suite all of whose tasks are done, or none, is left out.
    """
    suites = list(dict.fromkeys(each.suite for each in tried))
    groups = {suite: [each for each in tried if each.suite == suite] for suite in suites}
    if len(suites) > 1:
        groups["all"] = list(tried)
    return [_row(name, own, fitted) for name, own in groups.items()]


def _row(name: str, tried: Sequence[TriedDescription], fitted: DescriptionModel) -> Row:
    probabilities = [fitted.probability(each.signals) for each in tried]
    is_done = [each.is_done for each in tried]
    row: Row = {
        "suite": name,
        "descriptions": len(tried),
        "done": round(sum(is_done) / len(is_done), 3),
        "estimated": round(sum(probabilities) / len(probabilities), 3),
    }
    return row | ({"auroc": round(auroc(probabilities, is_done), 3)} if len(set(is_done)) > 1 else {})


def _is_done(case: Case, answers: Sequence[str]) -> bool:
    scores = [
        score_answer(question.metric or case.metric, answer, question.answers)
        for question, answer in zip(case.questions, answers, strict=True)
    ]
    return sum(scores) >= DONE_SCORE * len(scores)
