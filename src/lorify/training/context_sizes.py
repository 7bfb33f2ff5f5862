"""Typical lengths of contexts and their questions in tokens, for estimates without data and tokenizer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lorify.data.examples import Example

CHARS_PER_TOKEN = 3.5
"""Measured on generated contexts with SmolLM2's tokenizer: 3.4 to 3.5."""
PASSAGE_CHARS = 750
"""Mean length of a natural passage; 735 in SQuAD."""
PASSAGE_QUESTIONS = 5
QUESTION_TOKENS = 12
ANSWER_TOKENS = 5
"""Including the end of the turn."""
CHAT_TOKENS = 30
"""Tokens that a chat template adds around a question; 30 in SmolLM2."""
TURN_END_TOKENS = 5
"""The part of `CHAT_TOKENS` after the question, which packed questions do not share."""
NUM_DRAWN = 16
"""Number of generated contexts whose lengths are averaged."""


@dataclass(frozen=True)
class ContextSize:
    """The size of a context.

    Attributes:
        tokens: length of its documents.
        questions: number of questions about it.
        question_tokens: length of a question.
        answer_tokens: length of an answer, including the end of the turn.
    """

    tokens: int
    questions: int
    question_tokens: int = QUESTION_TOKENS
    answer_tokens: int = ANSWER_TOKENS

    @property
    def row_tokens(self) -> int:
        """Length of a row that holds all its questions, without the context (see `lorify.training.engine.packing`)."""
        return CHAT_TOKENS + self.questions * (self.question_tokens + self.answer_tokens + TURN_END_TOKENS)

    @property
    def read_tokens(self) -> int:
        """Length of the context and of its questions, each read once."""
        return self.tokens + self.questions * self.question_tokens

    @property
    def row_answers(self) -> int:
        """Answer tokens of a row that holds all its questions."""
        return self.questions * self.answer_tokens


def passage_size(max_chars: int, max_questions: int) -> ContextSize:
    """Return the typical size of a natural passage of at most `max_chars` characters."""
    return ContextSize(count_tokens("x" * min(PASSAGE_CHARS, max_chars)), min(PASSAGE_QUESTIONS, max_questions))


def mean_size(draw: Callable[[random.Random], Example], max_questions: int) -> ContextSize:
    """Average the sizes of generated contexts, the same ones every time.

    Args:
        draw: generates a context.
        max_questions: maximum number of questions about one context.
    """
    rng = random.Random(0)
    examples = [draw(rng) for _ in range(NUM_DRAWN)]
    questions = [question for example in examples for question in example.questions[:max_questions]]
    return ContextSize(
        tokens=_mean(sum(map(count_tokens, example.documents)) for example in examples),
        questions=_mean(min(len(example.questions), max_questions) for example in examples),
        question_tokens=_mean(count_tokens(question.text) for question in questions),
        answer_tokens=_mean(count_tokens(question.answers[0]) + 1 for question in questions),
    )


def chunk_sizes(tokens: int, chunk_tokens: int) -> list[int]:
    """Return the lengths of the chunks of a context: full chunks and the remainder."""
    full, rest = divmod(tokens, chunk_tokens)
    return [chunk_tokens] * full + [rest] * (rest > 0)


def count_tokens(text: str) -> int:
    """Estimate the number of tokens of a text."""
    return round(len(text) / CHARS_PER_TOKEN)


def _mean(values: Iterable[int]) -> int:
    found = list(values)
    return max(1, round(sum(found) / len(found)))
