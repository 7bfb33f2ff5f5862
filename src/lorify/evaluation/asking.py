"""Asking the base with what a method knows: an adapter, a text before the question, both or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.adapters import Adapter
from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.model import BaseModel
from lorify.errors import EvaluationError
from lorify.facade import Lorify

BATCH_ROWS = 16
CUT = "\n...\n"
# The ends of a cut text may be split into tokens a little differently than inside the whole.
SLACK_TOKENS = 16


@dataclass(frozen=True)
class Prompt:
    """What a question is asked with: an adapter, a text before the question, both or nothing."""

    adapter: Adapter | None = None
    document: str | None = None

    @property
    def is_bare(self) -> bool:
        """Whether the question goes to the bare base."""
        return self.adapter is None and self.document is None


@dataclass(frozen=True)
class Knowledge:
    """What a method holds after its update.

    Attributes:
        prompt_for: question -> what it is asked with; retrieval and gating happen here.
        adapter: the adapter, if the method has one.
    """

    prompt_for: Callable[[str], Prompt]
    adapter: Adapter | None = None


def ask_together(model: Lorify, rows: Sequence[tuple[str, Prompt]], max_new_tokens: int) -> list[str]:
    """Answer questions in batches.

    Args:
        model: base and hypernetwork.
        rows: questions, each with what it is asked with.
        max_new_tokens: longest answer, in tokens.
    """
    answers: list[str] = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        answers += model.ask_batch(
            [question for question, _ in batch],
            [prompt.adapter for _, prompt in batch],
            documents=[prompt.document for _, prompt in batch],
            only_if_relevant=False,  # the method has decided that
            max_new_tokens=max_new_tokens,
        )
    return answers


def fit_document(base: BaseModel, text: str, question: str, max_new_tokens: int) -> str:
    """The text, its middle left out where it does not fit the base's window beside question and answer.

    Raises:
        EvaluationError: if not even the question fits.
    """
    around = len(build_prompt_ids(base.tokenizer, question_messages(question, CUT)))
    room = base.window_tokens - around - max_new_tokens - SLACK_TOKENS
    if room < 0:
        raise EvaluationError(
            f"question {question[:60]!r}... has {around} tokens with its prompt, which with an answer of "
            f"{max_new_tokens} does not fit the base's window of {base.window_tokens}; leave it out, or allow fewer "
            "tokens for the answer"
        )
    ids = base.encode_text(text)
    if len(ids) <= room:
        return text
    tail = ids[len(ids) - room // 2 :]
    return base.decode_text(ids[: room // 2]) + CUT + base.decode_text(tail)
