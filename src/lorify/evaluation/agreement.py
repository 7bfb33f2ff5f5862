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
    """An unrelated prompt and three greedy answers.

    Attributes:
        prompt: the prompt.
        base_answer: what the bare base says.
        answer: what a user gets, who has an adapter loaded: the adapter is on only if the prompt concerns its document.
        always_on_answer: what the adapter says when it is on whatever the prompt.
    """

    prompt: str
    base_answer: str
    answer: str
    always_on_answer: str

    @property
    def f1(self) -> float:
        """Token F1 between the user's answer and the base's."""
        return token_f1(self.answer, [self.base_answer])

    @property
    def always_on_f1(self) -> float:
        """Token F1 between the answer with the adapter always on and the base's."""
        return token_f1(self.always_on_answer, [self.base_answer])


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
        always = model.ask_batch(batch, rows, only_if_relevant=False, max_new_tokens=max_new_tokens)
        on = [model.relevant(row, prompt) is not None for row, prompt in zip(rows, batch, strict=True)]
        given = [always[i] if on[i] else bare[i] for i in range(len(batch))]
        items += [AgreementItem(*row) for row in zip(batch, bare, given, always, strict=True)]
        report(len(batch), len(prompts))
    return items
