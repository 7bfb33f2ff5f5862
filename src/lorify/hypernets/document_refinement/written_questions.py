"""Questions about a document's own sentences, written by an adapter of the base."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.data.cloze.question_writing import question_writing_prompt
from lorify.data.cloze.statements import ClozeStatement
from lorify.hypernets.adapter_training.time_limit import TimeLimit

QUESTION_TOKENS = 32
BATCH_SIZE = 16
NUM_WORDINGS = 2
"""Number of questions per answer: the most probable one, then sampled ones."""

Candidate = tuple[Sequence[str], ClozeStatement]
"""The sentences of a document, and an answer in one of them."""


def write_questions(
    base: BaseLM, candidates: Sequence[Candidate], writer: Adapter, limit: TimeLimit
) -> list[ClozeStatement]:
    """Write questions whose answers are given in sentences.

    Args:
        base: the base.
        candidates: the answers.
        writer: an adapter of the base, trained as in `lorify.data.cloze.question_writing`.
        limit: time limit; at least a few questions are written. The order of the answers is random, but the same each
            time.

    Returns:
        The candidates, each with a written question; up to `NUM_WORDINGS` per candidate.
    """
    order = list(candidates)
    random.Random(0).shuffle(order)
    written: list[ClozeStatement] = []
    for wording in range(NUM_WORDINGS):
        if written and limit.is_over():
            break
        temperature = 0.8 if wording else 0.0
        for batch in limit.batches(order, BATCH_SIZE):
            options = GenerationOptions(QUESTION_TOKENS, temperature=temperature, top_p=0.95, seed=len(written))
            written += _write_batch(base, batch, writer, options)
    return written


def _write_batch(
    base: BaseLM, candidates: Sequence[Candidate], writer: Adapter, options: GenerationOptions
) -> list[ClozeStatement]:
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
