"""Questions about documents: closed-book with the adapter, with the document in the prompt, and the bare base."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lorify.contexts.documents import document_from_text
from lorify.data.examples import Example
from lorify.data.facts import generate_fact_example
from lorify.evaluation.metrics import bootstrap_interval, exact_match, mean, token_f1
from lorify.facade import Lorify

Method = Literal["adapter", "icl", "none"]
METHODS: tuple[Method, ...] = ("adapter", "icl", "none")
BATCH_ROWS = 16
PROMPT_MARGIN_TOKENS = 256


@dataclass(frozen=True)
class QaItem:
    """One question, the method and its answer."""

    method: Method
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


def fact_examples(num_documents: int, *, seed: int = 0, num_questions: int = 6) -> list[Example]:
    """Generated documents about entities whose names training never uses."""
    return [
        generate_fact_example(random.Random(f"{seed}/evaluation/{i}"), split="heldout", num_questions=num_questions)
        for i in range(num_documents)
    ]


def evaluate_qa(
    model: Lorify,
    examples: Sequence[Example],
    *,
    methods: Sequence[Method] = METHODS,
    max_new_tokens: int = 48,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[QaItem]:
    """Ask every question by every method.

    Args:
        model: base and hypernetwork.
        examples: documents with questions.
        methods: `adapter` (closed-book), `icl` (document in the prompt, cut in its middle where it does not fit the
            window) and `none` (bare base).
        max_new_tokens: longest answer, in tokens.
        report: called with the number of answers given since the last call and of all.
    """
    total = len(methods) * sum(len(example.questions) for example in examples)
    items: list[QaItem] = []
    for method in methods:
        rows = []
        for example in examples:
            adapter = None
            if method == "adapter":
                documents = [document_from_text(text, f"document {i}") for i, text in enumerate(example.documents)]
                adapter = model.internalize(*documents)
            text = _fitting(model, "\n\n".join(example.documents), max_new_tokens) if method == "icl" else None
            rows += [(example, question, adapter, text) for question in example.questions]
        for start in range(0, len(rows), BATCH_ROWS):
            batch = rows[start : start + BATCH_ROWS]
            predictions = model.ask_batch(
                [question.text for _, question, _, _ in batch],
                [adapter for _, _, adapter, _ in batch],
                documents=[text for _, _, _, text in batch],
                max_new_tokens=max_new_tokens,
            )
            for (example, question, _, _), prediction in zip(batch, predictions, strict=True):
                items.append(QaItem(method, example.source, question.text, question.answers, prediction))
            report(len(batch), total)
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


def _fitting(model: Lorify, text: str, max_new_tokens: int) -> str:
    """The text, its middle left out where it is longer than the base's window."""
    ids = model.base.encode_text(text)
    room = model.base.window_tokens - max_new_tokens - PROMPT_MARGIN_TOKENS
    if len(ids) <= room:
        return text
    return model.base.decode_text(ids[: room // 2]) + "\n...\n" + model.base.decode_text(ids[-(room // 2) :])
