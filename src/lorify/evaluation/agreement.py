"""Questions that have nothing to do with the document: are they answered as the bare base answers them?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.contexts.documents import document_from_text
from lorify.data.examples import Example
from lorify.data.general import GENERAL_EVAL_PROMPTS
from lorify.evaluation.metrics import token_f1
from lorify.facade import Lorify

BATCH_ROWS = 16


@dataclass(frozen=True)
class AgreementItem:
    """An unrelated prompt, the bare base's greedy answer, and the answer with an adapter on."""

    prompt: str
    base_answer: str
    adapter_answer: str

    @property
    def f1(self) -> float:
        """Token F1 between the two answers."""
        return token_f1(self.adapter_answer, [self.base_answer])


def evaluate_agreement(
    model: Lorify,
    examples: Sequence[Example],
    *,
    prompts: Sequence[str] = GENERAL_EVAL_PROMPTS,
    max_new_tokens: int = 64,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[AgreementItem]:
    """Answer unrelated prompts with and without an adapter, the documents taking turns.

    Args:
        model: base and hypernetwork.
        examples: documents to internalize; prompt i runs with document i modulo their number.
        prompts: the unrelated prompts.
        max_new_tokens: longest answer, in tokens.
        report: called with the number of prompts done since the last call and of all.
    """
    adapters = [model.internalize(*map(document_from_text, example.documents)) for example in examples]
    items: list[AgreementItem] = []
    for start in range(0, len(prompts), BATCH_ROWS):
        batch = list(prompts[start : start + BATCH_ROWS])
        rows = [adapters[(start + i) % len(adapters)] for i in range(len(batch))]
        bare = model.ask_batch(batch, [None] * len(batch), max_new_tokens=max_new_tokens)
        adapted = model.ask_batch(batch, rows, max_new_tokens=max_new_tokens)
        items += [AgreementItem(*row) for row in zip(batch, bare, adapted, strict=True)]
        report(len(batch), len(prompts))
    return items
