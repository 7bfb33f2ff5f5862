"""Fitting and measuring the confidence model of `lorify ask` on the answers to a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.answering.answerer import Answerer
from lorify.answering.batches import answer_in_batches
from lorify.answering.calibration.confidence import ConfidenceModel, ConfidenceSignals
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import PreparedCase, check_plain_questions, check_questions
from lorify.evaluation.methods.internalized import Internalized
from lorify.evaluation.scoring.confidence import auroc, fit_confidence
from lorify.evaluation.scoring.metrics import token_f1
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

RIGHT_F1 = 0.5
Report = Callable[[int, int], None]
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class _Answers:
    """Answers with the adapter: their signals, whether they are right, and their cases."""

    signals: list[ConfidenceSignals]
    is_right: list[bool]
    groups: list[str]

    def rows(self, name: str, combined_auroc: float) -> list[Row]:
        """Build a row for each signal, and one for all signals combined with the given name and AUROC."""
        scores = {
            signal: auroc([-s[i] if signal in ("mean", "most") else s[i] for s in self.signals], self.is_right)
            for i, signal in enumerate(ConfidenceSignals._fields)
        }
        right = round(sum(self.is_right) / len(self.is_right), 3)
        return [
            {"signal": signal, "questions": len(self.is_right), "right": right, "auroc": round(score, 3)}
            for signal, score in {**scores, name: combined_auroc}.items()
        ]


def calibrate(
    model: Lorify, suites: Sequence[Suite], *, report: Report = lambda done, total: None
) -> tuple[ConfidenceModel, list[Row]]:
    """Answer suites and fit a confidence model to the answers, quotes included.

    Args:
        model: base model and hypernetwork.
        suites: the suites; questions that are left to the bare base model do not count.
        report: called with the number of documents finished since the last call, and of all documents.

    Returns:
        The confidence model, and one row for each signal and one for all signals combined: number of questions, share
        of right answers, AUROC.

    Raises:
        EvaluationError: if a question belongs to a chat or asks for JSON, or if there are not enough right and wrong
            answers.
    """
    answered = _ask(model, suites, report)
    fitted = fit_confidence(answered.signals, answered.is_right, answered.groups, model.internalizer.digest)
    return fitted, answered.rows("all, unseen documents", fitted.auroc)


def measure_confidence(
    model: Lorify, suite: Suite, fitted: ConfidenceModel, *, report: Report = lambda done, total: None
) -> list[Row]:
    """Answer a suite and measure how well a fitted confidence model tells right answers from wrong ones.

    Args:
        model: base model and hypernetwork.
        suite: the suite; questions that are left to the bare base model do not count.
        fitted: the confidence model.
        report: as for `calibrate`.

    Returns:
        Rows as for `calibrate`, the last one for the confidence model.

    Raises:
        EvaluationError: if a question belongs to a chat or asks for JSON, or if all answers are right, or all wrong.
    """
    answered = _ask(model, [suite], report)
    if len(set(answered.is_right)) < 2:
        raise EvaluationError(
            f"{sum(answered.is_right)} of {len(answered.is_right)} answers are right; the measure needs right and "
            "wrong answers: ask more questions"
        )
    return answered.rows("warning", auroc([fitted.probability(s) for s in answered.signals], answered.is_right))


def _ask(model: Lorify, suites: Sequence[Suite], report: Report) -> _Answers:
    built = [(suite, suite.build(model)) for suite in suites]
    for suite, cases in built:
        check_plain_questions(cases)
        check_questions(model.answerer, cases, suite.max_new_tokens)
    total = sum(len(cases) for _, cases in built)
    found = _Answers([], [], [])
    for suite, cases in built:
        ingest = Internalized().load(model, suite.max_new_tokens)  # pyright: ignore[reportCallIssue]
        for case in cases:
            _add_answers(found, case, ingest(case), model.answerer, GenerationOptions(suite.max_new_tokens))
            report(1, total)
    if not found.signals:
        labels = ", ".join(suite.label for suite in suites)
        raise EvaluationError(f"no question of {labels} is about its document; use another suite")
    return found


def _add_answers(
    found: _Answers, case: Case, prepared: PreparedCase, answerer: Answerer, options: GenerationOptions
) -> None:
    """Answer the questions of a case that the adapter is on for."""
    queries = [prepared.query_for(question.text) for question in case.questions]
    planned = [(query, answerer.plan_query(query)) for query in queries]
    asked = [i for i, (_, plan) in enumerate(planned) if plan.is_on]
    answers = answer_in_batches(answerer, [planned[i] for i in asked], options)
    for i, answer in zip(asked, answers, strict=True):
        found.signals.append(answerer.signals(planned[i][1], answer.text).confidence)
        found.is_right.append(token_f1(answer.text, case.questions[i].answers) >= RIGHT_F1)
        found.groups.append(case.id)
