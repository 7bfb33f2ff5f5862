"""Fit a document into the base's window together with a question and its answer."""

from __future__ import annotations

from lorify.answering.answerer import Answerer
from lorify.errors import ContextError

CUT = "\n...\n"
# The ends of a cut text may be tokenized differently than inside the whole text.
SLACK_TOKENS = 16


def question_tokens(answerer: Answerer, question: str) -> int:
    """Count the tokens of a prompt with a question about a document, without the document."""
    return len(answerer.prompts.question_ids(question, CUT))


def document_room(answerer: Answerer, question: str, max_new_tokens: int) -> int:
    """Count the tokens left in the window for a document; negative if not even an empty one fits.

    Args:
        answerer: its base and prompts.
        question: the question after the document.
        max_new_tokens: tokens to leave for the answer.
    """
    return answerer.base.window_tokens - question_tokens(answerer, question) - max_new_tokens - SLACK_TOKENS


def fit_document(answerer: Answerer, text: str, question: str, max_new_tokens: int) -> str:
    """Cut the middle out of a document that does not fit the base's window.

    Args:
        answerer: builds the prompts.
        text: the document.
        question: the question that is asked about it.
        max_new_tokens: maximum length of the answer, in tokens.

    Raises:
        ContextError: if question and answer alone do not fit.
    """
    room = document_room(answerer, question, max_new_tokens)
    if room < 0:
        raise ContextError(
            f"question {question[:60]!r}... and an answer of {max_new_tokens} tokens do not fit the base's window of "
            f"{answerer.base.window_tokens} tokens; shorten the question, or allow fewer tokens for the answer"
        )
    ids = answerer.base.encode_text(text)
    if len(ids) <= room:
        return text
    tail = ids[len(ids) - room // 2 :]
    return answerer.base.decode_text(ids[: room // 2]) + CUT + answerer.base.decode_text(tail)
