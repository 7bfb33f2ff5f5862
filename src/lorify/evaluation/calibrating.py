"""Fitting what `ask` warns by: a suite asked with the adapter, its answers with their signals."""

from __future__ import annotations

from collections.abc import Callable

from lorify.adapters import AdapterRow
from lorify.errors import EvaluationError
from lorify.evaluation.asking import ask_together
from lorify.evaluation.confidence import SIGNALS, Confidence, answer_signals, auroc, fit_confidence
from lorify.evaluation.methods import Internalized
from lorify.evaluation.metrics import token_f1
from lorify.evaluation.suites import Suite
from lorify.facade import Lorify

RIGHT_F1 = 0.5


def calibrate(
    model: Lorify, suite: Suite, *, report: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Confidence, list[dict[str, str | int | float]]]:
    """Ask a suite and fit.

    Args:
        model: base and hypernetwork.
        suite: what to ask; questions that are left to the bare base do not count.
        report: called with the number of documents done since the last call and of all.

    Returns:
        The fit, and a row for each signal and one for all together: number of questions, share of right answers,
        AUROC.

    Raises:
        EvaluationError: if there are not enough right and wrong answers.
    """
    update = Internalized().load(model, suite.max_new_tokens)  # pyright: ignore[reportCallIssue]
    cases = suite.build(model)
    signals, is_right, groups = [], [], []
    for case in cases:
        knowledge = update(case)
        asked = [(question, knowledge.prompt_for(question.text)) for question in case.questions]
        asked = [(question, prompt) for question, prompt in asked if not prompt.is_bare]
        answers = ask_together(model, [(q.text, prompt) for q, prompt in asked], suite.max_new_tokens)
        adapters: list[AdapterRow] = [prompt.adapter for _, prompt in asked]
        signals += answer_signals(model.base, [q.text for q, _ in asked], answers, adapters)
        is_right += [token_f1(a, q.answers) >= RIGHT_F1 for a, (q, _) in zip(answers, asked, strict=True)]
        groups += [case.id] * len(asked)
        report(1, len(cases))
    if not signals:
        raise EvaluationError(f"no question of {suite.label} concerns its document; ask another suite")
    fitted = fit_confidence(signals, is_right, groups, model.internalizer.digest)
    right = round(sum(is_right) / len(is_right), 3)
    scores = {name: auroc([-s[i] for s in signals], is_right) for i, name in enumerate(SIGNALS)}
    scores["all, unseen documents"] = fitted.auroc
    return fitted, [
        {"signal": name, "questions": len(is_right), "right": right, "auroc": round(score, 3)}
        for name, score in scores.items()
    ]
