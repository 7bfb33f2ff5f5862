"""Fitting the model that tells whether documents state an answer, on answerable and unanswerable questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lorify.answering.batches import answer_in_batches
from lorify.answering.calibration.stated import StatedModel, StatedSignals
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import check_plain_questions
from lorify.evaluation.methods.internalized import Internalized
from lorify.evaluation.scoring.confidence import auroc, fit_by_document, threshold_below
from lorify.evaluation.scoring.metrics import token_f1
from lorify.evaluation.suites.cases import Case
from lorify.evaluation.suites.unanswerable import GIVEN
from lorify.facade import Lorify

RIGHT_F1 = 0.8
"""Answers to answerable questions with a lower F1 are neither right enough nor wrong enough to fit to."""
LOST_SHARE = 0.05
"""Share of the right answers that may be withheld."""
Row = dict[str, str | int | float | None]


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer to a question of the suite.

    Attributes:
        group: its document.
        kind: `given`, or how the question was made unanswerable.
        is_right: whether the document states the answer and the answer is right.
        signals: signals of whether the answer is stated; None if the adapter was off.
    """

    group: str
    kind: str
    is_right: bool
    signals: StatedSignals | None


def collect_answers(
    model: Lorify, cases: Sequence[Case], max_new_tokens: int, report: Callable[[int, int], None]
) -> list[CheckedAnswer]:
    """Answer the questions of a suite with the adapter, and measure the signals of each answer.

    Args:
        model: base model and hypernetwork.
        cases: the cases.
        max_new_tokens: maximum answer length in tokens.
        report: called with the number of cases finished since the last call, and of all cases.

    Raises:
        EvaluationError: if a question belongs to a chat or asks for JSON.
    """
    check_plain_questions(cases)
    ingest = Internalized().load(model, max_new_tokens)  # pyright: ignore[reportCallIssue]
    found: list[CheckedAnswer] = []
    for case in cases:
        prepared = ingest(case)
        queries = [prepared.query_for(question.text) for question in case.questions]
        planned = [(query, model.answerer.plan_query(query)) for query in queries]
        answers = answer_in_batches(model.answerer, planned, GenerationOptions(max_new_tokens))
        group = case.id.rpartition("-")[0]
        for question, (_, plan), answer in zip(case.questions, planned, answers, strict=True):
            signals = model.answerer.signals(plan, answer.text).stated if plan.is_on else None
            is_right = question.kind == GIVEN and token_f1(answer.text, question.answers) >= RIGHT_F1
            found.append(CheckedAnswer(group, question.kind, is_right, signals))
        report(1, len(cases))
    return found


def fit_stated(answers: Sequence[CheckedAnswer], hypernetwork_digest: str) -> tuple[StatedModel, list[Row]]:
    """Fit the model to right answers and to answers of unanswerable questions.

    The threshold withholds at most `LOST_SHARE` of the right answers on documents left out of the fit.

    Args:
        answers: the answers.
        hypernetwork_digest: SHA-256 of the weights of the hypernetwork that made the adapters.

    Returns:
        The model, and a row for each kind of question: how many were asked, how many were left to the bare base, and
        the share of the others that is withheld on documents left out of the fit.

    Raises:
        EvaluationError: if there are no right answers or none to unanswerable questions.
    """
    chosen = [a for a in answers if a.signals is not None and (a.is_right or a.kind != GIVEN)]
    is_right = [a.is_right for a in chosen]
    if len(set(is_right)) < 2:
        raise EvaluationError("the fit needs right answers and unanswerable questions; use a suite with both")
    fit = fit_by_document([a.signals for a in chosen if a.signals is not None], is_right, [a.group for a in chosen])
    threshold = threshold_below(fit.unseen[np.array(is_right)], LOST_SHARE)
    model = StatedModel(
        hypernetwork_digest=hypernetwork_digest,
        bias=fit.bias,
        weights=fit.weights,  # pyright: ignore[reportArgumentType]
        threshold=threshold,
        auroc=round(auroc(fit.unseen.tolist(), is_right), 4),
        questions=len(chosen),
    )
    withheld = dict(zip(map(id, chosen), (fit.unseen < threshold).tolist(), strict=True))
    return model, [_row(kind, answers, withheld) for kind in dict.fromkeys(a.kind for a in answers)]


def _row(kind: str, answers: Sequence[CheckedAnswer], withheld: dict[int, bool]) -> Row:
    own = [a for a in answers if a.kind == kind]
    judged = [withheld[id(a)] for a in own if id(a) in withheld]
    return {
        "questions": "right answers" if kind == GIVEN else kind,
        "asked": len(own),
        "left_to_base": sum(a.signals is None for a in own),
        "judged": len(judged),
        "withheld": round(sum(judged) / len(judged), 3) if judged else None,
    }
