"""Training examples from a document's own sentences: every date, quantity and name is the answer to a question.

An adapter of the base writes the questions, or rules derive them from the sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.contexts.tables.statement_text import statement_text
from lorify.data.cloze.question_writing import select_unambiguous
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import ClozeStatement, find_cloze_candidates, number_without_unit
from lorify.hypernets.adapter_training.time_limit import UNLIMITED, TimeLimit
from lorify.hypernets.adapter_training.training_examples import (
    Focus,
    TrainingExample,
    known_answer,
    target_probabilities,
)
from lorify.hypernets.document_refinement.written_questions import write_questions

BATCH_SIZE = 16
MIN_FIRST_TOKEN_PROBABILITY = 0.08
"""Below this probability of an answer's first token, the question is more likely wrong than the adapter."""


def statement_examples(
    base: BaseLM, documents: Sequence[str], limit: TimeLimit, *, prompts: PromptBuilder, writer: Adapter | None = None
) -> list[TrainingExample]:
    """Make training examples from the sentences of documents.

    Args:
        base: the base.
        documents: the texts.
        limit: limit of the whole training; writing questions takes at most half of it.
        prompts: builds the prompts as when the adapter is used.
        writer: an adapter that writes the questions; None to make them by rules, which takes no time.
    """
    texts = [statement_text(document) for document in documents]
    candidates = [(split_sentences(text), candidate) for text in texts for candidate in find_cloze_candidates(text)]
    if writer is None:
        return [_example(base, candidate, prompts) for _, candidate in candidates]
    written = write_questions(base, candidates, writer, limit.first_half())
    return [_example(base, statement, prompts) for statement in select_unambiguous(written)]


@torch.no_grad()
def plausible_examples(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    adapter: Adapter,
    *,
    focus: Focus | None = None,
    limit: TimeLimit = UNLIMITED,
) -> list[TrainingExample]:
    """Keep the examples whose answers an adapter considers plausible; most others ask for something else.

    Args:
        base: the base.
        examples: examples with written questions.
        adapter: the hypernetwork's adapter of their documents.
        focus: as for `distill`.
        limit: time limit; examples left unjudged are dropped, except the first few, which are always judged.
    """
    kept = []
    for batch in limit.batches(examples, BATCH_SIZE):
        rows: Sequence[Adapter] = [adapter] * len(batch)
        if focus is not None:
            rows = focus(rows, [example.question for example in batch])
        found = target_probabilities(base, batch, build_lora_batch(rows, base) or {})
        kept += [
            example
            for example, probabilities in zip(batch, found, strict=True)
            if probabilities[0] >= MIN_FIRST_TOKEN_PROBABILITY
        ]
    return kept


def _example(base: BaseLM, statement: ClozeStatement, prompts: PromptBuilder) -> TrainingExample:
    """A training example from the question and answer of a statement."""
    prompt = prompts.question_ids(statement.question)
    # With a leading space, as hypernetworks are trained to answer: this is the token of a word inside a text.
    number = number_without_unit(statement.answer)
    target = base.encode_text(f" {number or statement.answer}")
    if number is None:  # a unit may follow a number
        target = [*target, min(base.stop_ids)]
    return known_answer(base, statement.question, prompt, target)
