"""The prompt for rewriting a follow-up as a stand-alone question, and the form of a follow-up that extractors read.

Question: Who built the windmill?
Answer: Jasper Dunmore
Question: And when?

The last question alone:
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_TURNS = 3
"""Number of earlier turns in the prompt."""
MAX_ANSWER_WORDS = 24
MAX_QUESTION_WORDS = 60
READ_TURNS = 2
"""Number of earlier turns that an extractor reads with a follow-up."""
MAX_READ_WORDS, MAX_READ_CHARS = 24, 160
"""Longer questions and answers in these turns are cut to this many words and characters."""


def follow_up_prompt(turns: Sequence[tuple[str, str]], question: str) -> str:
    """Build the prompt.

    Args:
        turns: earlier questions with their answers, in order; only the last `MAX_TURNS` are shown, and only the
            beginnings of long answers.
        question: the follow-up.
    """
    lines = []
    for asked, answer in turns[-MAX_TURNS:]:
        lines += [f"Question: {_shorten(asked, MAX_QUESTION_WORDS)}", f"Answer: {_shorten(answer, MAX_ANSWER_WORDS)}"]
    return "\n".join([*lines, f"Question: {_shorten(question, MAX_QUESTION_WORDS)}", "", "The last question alone:"])


def _shorten(text: str, max_words: int) -> str:
    words = text.split()
    return " ".join(words[:max_words]) + (" ..." if len(words) > max_words else "")


def question_in_chat(turns: Sequence[tuple[str, str]], question: str) -> str:
    """Return what an extractor reads instead of a question that refers back: the previous turns and the question.

    Args:
        turns: the questions before it with their answers, if any; only the last turns are used, and long ones are cut.
            If the result is longer than `max_question_tokens`, an extractor reads its end.
        question: the question.
    """
    before = [f"{_beginning(asked)} {_beginning(answer)}".strip() for asked, answer in turns[-READ_TURNS:]]
    return " > ".join([*before, question])


def _beginning(text: str) -> str:
    return " ".join(text.split()[:MAX_READ_WORDS])[:MAX_READ_CHARS]
