"""The size of a step of an associative run: its chunks, and the rows of questions that the base reads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from lorify.data.examples import Example
from lorify.data.facts.everyday import generate_everyday_example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.sources.niah import generate_niah_example
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.associative.batches import MAX_POSITIONED_TOKENS, Step
from lorify.training.context_sizes import (
    CHAT_TOKENS,
    TURN_END_TOKENS,
    ContextSize,
    chunk_sizes,
    count_tokens,
    mean_size,
    passage_size,
)
from lorify.training.engine.packing import pack_rows

SENTENCE_TOKENS = 20
"""Typical length of a sentence to complete, and of its beginning."""
GENERAL_PROMPT_TOKENS = 12


@dataclass(frozen=True)
class RowSize:
    """Questions that share an adapter.

    Attributes:
        context: index of their context.
        tokens: tokens that the base reads.
        answers: answer tokens.
        located: answer tokens whose positions in the context are known.
        taught: answer tokens with a teacher.
        teacher_tokens: tokens that the teacher reads.
        is_focused: whether the adapter is focused on the question.
    """

    context: int
    tokens: int
    answers: int
    located: int = 0
    taught: int = 0
    teacher_tokens: int = 0
    is_focused: bool = False


@dataclass(frozen=True)
class StepSize:
    """A step.

    Attributes:
        chunks: length of each chunk, in tokens.
        context_of_chunk: index of the context of each chunk.
        rows: the rows.
    """

    chunks: Sequence[int]
    context_of_chunk: Sequence[int]
    rows: Sequence[RowSize]

    @property
    def num_tokens(self) -> int:
        """Return the number of tokens that the base reads, without padding."""
        return sum(self.chunks) + sum(row.tokens + row.teacher_tokens for row in self.rows)


def measure_step(step: Step) -> StepSize:
    """Return the size of a step that is not focused."""
    rows: list[RowSize] = []
    for number, segments in enumerate(step.rows):
        taught = [s for s in segments if s.teacher_prompt is not None]
        rows.append(
            RowSize(
                context=number,
                tokens=pack_rows([segments]).input_ids.shape[1],
                answers=sum(len(s.answer) for s in segments),
                located=sum(len(s.answer_positions) for s in segments),
                taught=sum(len(s.answer) for s in taught),
                teacher_tokens=sum(len(s.teacher_prompt or ()) + len(s.answer) for s in taught),
            )
        )
    return StepSize([len(chunk) for chunk in step.chunks], step.context_of_chunk.tolist(), rows)


def usual_step_size(config: AssociativeTrainingConfig) -> StepSize:
    """Return the typical size of a step."""
    data, chunk_tokens = config.data, config.hypernetwork.chunk_tokens
    contexts = _asked_contexts(config)
    taught = data.texts if data.texts_path else 0
    lengths = [context.tokens for context in contexts] + [passage_size(data.max_context_chars, 0).tokens] * taught
    lengths += [chunk_tokens] if data.niah else []  # the noise
    chunks = [(i, part) for i, length in enumerate(lengths) for part in chunk_sizes(length, chunk_tokens)]
    rows = [row for i, context in enumerate(contexts) for row in _rows(i, context, data.focus_probability)]
    sentences, document = data.sentences_per_text, lengths[len(contexts)] if taught else 0
    length = sentences * (2 * SENTENCE_TOKENS + TURN_END_TOKENS) + CHAT_TOKENS
    taught_tokens = sentences * SENTENCE_TOKENS
    rows += [
        RowSize(len(contexts) + i, length, taught_tokens, taught=taught_tokens, teacher_tokens=length + document)
        for i in range(taught)
    ]
    return StepSize([n for _, n in chunks], [i for i, _ in chunks], _with_general(rows, config))


def _asked_contexts(config: AssociativeTrainingConfig) -> list[ContextSize]:
    """The contexts whose questions have answers to learn."""
    data, most = config.data, config.data.questions_per_context
    fact = partial(generate_fact_example, split="train", num_questions=most)

    def facts(rng: random.Random) -> Example:
        return fact(rng, num_documents=rng.choice((1, 1, 1, 2)))

    def needle(rng: random.Random) -> Example:
        length = (data.niah_min_tokens + data.niah_max_tokens) // 2
        return generate_niah_example(rng, length_tokens=length, count_tokens=count_tokens)

    everyday = partial(generate_everyday_example, split="train", num_questions=most)
    counts = ((facts, data.facts), (needle, data.niah), (everyday, data.everyday))
    sizes = [size for draw, count in counts if count for size in [mean_size(draw, most)] * count]
    passages = data.questions if data.questions_path else 0
    return sizes + [passage_size(data.max_context_chars, most)] * passages


def _rows(number: int, context: ContextSize, focus_probability: float) -> list[RowSize]:
    """Rows of a context: one for all its questions, or one for each if most are focused."""
    located = min(context.answer_tokens - 1, MAX_POSITIONED_TOKENS)
    if focus_probability < 1 / 2:
        return [RowSize(number, context.row_tokens, context.row_answers, context.questions * located)]
    own = CHAT_TOKENS + context.question_tokens + context.answer_tokens
    return [RowSize(number, own, context.answer_tokens, located, is_focused=True)] * context.questions


def _with_general(rows: Sequence[RowSize], config: AssociativeTrainingConfig) -> list[RowSize]:
    """Add an unrelated prompt to a row of the first contexts, to as many as typically get one."""
    answer = config.data.general_answer_tokens
    prompt = GENERAL_PROMPT_TOKENS + TURN_END_TOKENS
    wanted = round(config.data.general_probability * len({row.context for row in rows}))
    done: set[int] = set()
    found: list[RowSize] = []
    for row in rows:
        if row.context in done or len(done) == wanted:
            found.append(row)
            continue
        done.add(row.context)
        tokens, teacher_tokens = row.tokens + prompt + answer, row.teacher_tokens + CHAT_TOKENS + prompt + answer
        answers, taught = row.answers + answer, row.taught + answer
        found.append(replace(row, tokens=tokens, answers=answers, taught=taught, teacher_tokens=teacher_tokens))
    return found
