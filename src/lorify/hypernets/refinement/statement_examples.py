"""Training examples from a document's own sentences: every date, quantity and name is the answer to a question.

An adapter of the base writes the questions, or they follow from the sentence by rule.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.chat import PromptBuilder, build_prompt_ids, question_messages
from lorify.base.generation import generate_batch
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.data.cloze.question_writing import question_writing_prompt, select_unambiguous
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import ClozeStatement, find_cloze_candidates, number_without_unit
from lorify.hypernets.refinement.budget import Budget
from lorify.hypernets.refinement.training_examples import (
    Focus,
    TrainingExample,
    known_answer,
    student_log_probabilities,
)

QUESTION_TOKENS = 32
BATCH_SIZE = 16
NUM_WORDINGS = 2
"""Questions for each answer: the most probable one, then sampled ones."""
MIN_FIRST_TOKEN_PROBABILITY = 0.08
"""If the adapter gives the first token of an answer less, the question is more likely wrong than the adapter."""


def statement_examples(
    base: BaseLM,
    documents: Sequence[str],
    budget: Budget,
    *,
    prompts: PromptBuilder,
    writer: Adapter | None = None,
    seed: int = 0,
) -> list[TrainingExample]:
    """Make training examples from the sentences of documents.

    Args:
        base: the base.
        documents: the texts.
        budget: budget of the whole training; writing questions takes at most half of it.
        prompts: builds the prompts as when the adapter is used.
        writer: an adapter that writes the questions; None to make them by rule, which takes no time.
        seed: decides which answers come first if there is no time for all, and seeds the sampling.
    """
    candidates = [(split_sentences(text), candidate) for text in documents for candidate in find_cloze_candidates(text)]
    if writer is None:
        return [_example(base, candidate, prompts) for _, candidate in candidates]
    random.Random(seed).shuffle(candidates)
    deadline, written = budget.half_way(), list[ClozeStatement]()
    for wording in range(NUM_WORDINGS):
        for start in range(0, len(candidates), BATCH_SIZE):
            if written and deadline is not None and time.perf_counter() >= deadline:
                break
            temperature = 0.8 if wording else 0.0
            options = GenerationOptions(QUESTION_TOKENS, temperature=temperature, top_p=0.95, seed=seed + start)
            written += _write_questions(base, candidates[start : start + BATCH_SIZE], writer, options)
    return [_example(base, statement, prompts) for statement in select_unambiguous(written)]


def _write_questions(
    base: BaseLM,
    candidates: Sequence[tuple[Sequence[str], ClozeStatement]],
    writer: Adapter,
    options: GenerationOptions,
) -> list[ClozeStatement]:
    """The candidates, each with its document's sentences, as statements with a written question."""
    requests = [
        question_writing_prompt(sentences, sentences.index(candidate.sentence), candidate.answer)
        for sentences, candidate in candidates
    ]
    found = generate_batch(  # the writer was trained on prompts without a system turn
        base,
        [build_prompt_ids(base.tokenizer, question_messages(request)) for request in requests],
        options,
        lora=build_lora_batch([writer] * len(candidates), base),
        stop_ids=base.stop_ids,
    )
    questions = [base.decode_text(ids).strip() for ids in found]
    return [
        replace(candidate, question=question) for (_, candidate), question in zip(candidates, questions, strict=True)
    ]


@torch.no_grad()
def plausible_examples(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    adapter: Adapter,
    *,
    focus: Focus | None = None,
    min_probability: float = MIN_FIRST_TOKEN_PROBABILITY,
) -> list[TrainingExample]:
    """Keep the examples whose answers an adapter finds possible; most others ask for something else.

    Args:
        base: the base.
        examples: examples with written questions.
        adapter: the hypernetwork's adapter of their documents.
        focus: as for `distill`.
        min_probability: minimum probability of an answer's first token.
    """
    kept = []
    for start in range(0, len(examples), BATCH_SIZE):
        batch = examples[start : start + BATCH_SIZE]
        rows: Sequence[Adapter] = [adapter] * len(batch)
        if focus is not None:
            rows = focus(rows, [example.question for example in batch])
        student_log = student_log_probabilities(base, batch, build_lora_batch(rows, base) or {})
        first = [0, *accumulate(example.num_targets for example in batch)][:-1]
        tokens = torch.stack([example.top_ids[0, 0] for example in batch])
        is_plausible = student_log[first].exp().gather(-1, tokens.unsqueeze(-1)).squeeze(-1) >= min_probability
        kept += [example for example, keep in zip(batch, is_plausible.tolist(), strict=True) if keep]
    return kept


def _example(base: BaseLM, statement: ClozeStatement, prompts: PromptBuilder) -> TrainingExample:
    """The question of a statement with its answer."""
    prompt = prompts.question_ids(statement.question)
    # With a leading space, as hypernetworks are trained to answer: that is the token of a word inside a text.
    number = number_without_unit(statement.answer)
    target = base.encode_text(f" {number or statement.answer}")
    if number is None:  # after a number, a unit may follow
        target = [*target, min(base.stop_ids)]
    return known_answer(base, statement.question, prompt, target)
