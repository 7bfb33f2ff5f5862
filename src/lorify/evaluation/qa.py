"""Questions about documents by several methods, in large batches: scores only, no timings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.examples import Example
from lorify.evaluation.methods import ask_together, parse_methods
from lorify.evaluation.metrics import bootstrap_interval, exact_match, mean, token_f1
from lorify.evaluation.suites import cases_from_examples
from lorify.evaluation.suites import fact_examples as fact_examples
from lorify.facade import Lorify

METHODS = ("adapter", "icl", "none")


@dataclass(frozen=True)
class QaItem:
    """One question, the method and its answer."""

    method: str
    source: str
    question: str
    answers: tuple[str, ...]
    prediction: str

    @property
    def exact(self) -> float:
        """Exact match."""
        return exact_match(self.prediction, self.answers)

    @property
    def f1(self) -> float:
        """Token F1."""
        return token_f1(self.prediction, self.answers)


def evaluate_qa(
    model: Lorify,
    examples: Sequence[Example],
    *,
    methods: Sequence[str] = METHODS,
    max_new_tokens: int = 48,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[QaItem]:
    """Ask every question by every method.

    Args:
        model: base and hypernetwork.
        examples: documents with questions.
        methods: methods with their options, as `lorify.evaluation.methods` has them.
        max_new_tokens: longest answer, in tokens.
        report: called with the number of answers given since the last call and of all.
    """
    total = len(methods) * sum(len(example.questions) for example in examples)
    cases = cases_from_examples(model.base, examples)
    items: list[QaItem] = []
    for method in parse_methods(",".join(methods)):
        update = method.load(model, max_new_tokens)
        rows = []
        for case in cases:
            knowledge = update(case)
            rows += [(case, question, knowledge) for question in case.questions]
        predictions = ask_together(
            model,
            [(knowledge, question.text) for _, question, knowledge in rows],
            max_new_tokens,
            lambda done, _: report(done, total),
        )
        items += [
            QaItem(method.label, case.source, question.text, question.answers, prediction)
            for (case, question, _), prediction in zip(rows, predictions, strict=True)
        ]
    return items


def summarize_qa(items: Sequence[QaItem]) -> list[dict[str, str | float]]:
    """One row a source and method: number of questions, exact match and F1 with 95% intervals."""
    rows: list[dict[str, str | float]] = []
    for source, method in sorted({(item.source, item.method) for item in items}):
        chosen = [item for item in items if (item.source, item.method) == (source, method)]
        exact, f1 = [item.exact for item in chosen], [item.f1 for item in chosen]
        low, high = bootstrap_interval(f1)
        rows.append(
            {
                "source": source,
                "method": method,
                "questions": len(chosen),
                "exact": round(mean(exact), 3),
                "f1": round(mean(f1), 3),
                "f1_low": round(low, 3),
                "f1_high": round(high, 3),
            }
        )
    return rows
