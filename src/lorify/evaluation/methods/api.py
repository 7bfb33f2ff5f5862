"""Methods in general, and asking the base with what they know: an adapter, a text or turns before the question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lorify.adapters import Adapter, AdapterLike, AdapterStack
from lorify.base.chat import Message, build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.errors import EvaluationError
from lorify.evaluation.specs import Spec
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify

BATCH_ROWS = 16
BATCH_CHARACTERS = 65_536  # of the prompts, padding included; longer ones gain nothing from each other's company
SHARED_CHARACTERS = 400  # shorter texts are not worth a batch of their own
CUT = "\n...\n"
# The ends of a cut text may be split into tokens a little differently than inside the whole.
SLACK_TOKENS = 16


@dataclass(frozen=True)
class Prompt:
    """What a question is asked with; with nothing of it, it goes to the bare base.

    Attributes:
        adapter: the adapter.
        document: a text before the question.
        turns: turns of the chat before the question.
    """

    adapter: AdapterLike = None
    document: str | None = None
    turns: tuple[Message, ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether the question goes to the bare base."""
        return AdapterStack.of(self.adapter).is_empty and self.document is None and not self.turns

    def messages(self, question: str) -> list[Message]:
        """The chat that asks a question."""
        return [*self.turns, *question_messages(question, self.document)]


@dataclass(frozen=True)
class PreparedCase:
    """What a method holds after its update.

    Attributes:
        prompt_for: question -> what it is asked with; retrieval and gating happen here.
        adapter: the adapter, if the method has one.
        description: the description of a task that it was told, if any.
    """

    prompt_for: Callable[[str], Prompt]
    adapter: Adapter | None = None
    description: str | None = None

    @property
    def kept_bytes(self) -> int:
        """Size of what the adapter keeps of its documents beside its weights: statistics, and tokens for focus."""
        return self.adapter.statistics_bytes if self.adapter is not None else 0


Update = Callable[[Case], PreparedCase]
"""A method that is ready: takes in a case's documents, or its task."""


class Method(Spec):
    """A way to answer questions, and its options.

    To add one, write a subclass in a file of its own and list it in `registry.py`.

    Attributes:
        kinds: kinds of cases that it can answer.
        uses: which of the loaded hypernetworks it uses by default: the one for documents or the one for tasks.
    """

    kinds: ClassVar[tuple[CaseKind, ...]] = ("documents",)
    uses: ClassVar[CaseKind | None] = None

    @property
    def needs(self) -> CaseKind | None:
        """Which of the loaded hypernetworks it uses: that for documents or that for tasks."""
        return self.uses

    @property
    def own_hypernetwork(self) -> Path | None:
        """Folder of a hypernetwork that the method's options name, in place of a loaded one."""
        return None

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Get ready; what is loaded here is not counted as update.

        Args:
            model: base and hypernetworks.
            max_new_tokens: longest answer, which the prompt must leave room for.

        Raises:
            EvaluationError: if something that the method needs is not installed or not given.
        """
        raise NotImplementedError


def ask_together(model: Lorify, rows: Sequence[tuple[str, Prompt]], max_new_tokens: int) -> list[str]:
    """Answer questions in batches.

    Questions with one document in their prompts go together, so that it is read once for all of them; the others go
    with those of like length, so that little is padded.

    Args:
        model: base and hypernetwork.
        rows: questions, each with what it is asked with.
        max_new_tokens: longest answer, in tokens.
    """
    answers = [""] * len(rows)
    for numbers in _batches(rows):
        batch = [rows[i] for i in numbers]
        texts = model.ask_batch(
            [question for question, _ in batch],
            [prompt.adapter for _, prompt in batch],
            documents=[prompt.document for _, prompt in batch],
            turns=[prompt.turns for _, prompt in batch],
            only_if_relevant=False,  # the method has decided that
            max_new_tokens=max_new_tokens,
        )
        for i, text in zip(numbers, texts, strict=True):
            answers[i] = text
    return answers


def _batches(rows: Sequence[tuple[str, Prompt]]) -> Iterator[list[int]]:
    """Numbers of the rows that are asked together."""
    asked = Counter(p.document for _, p in rows if p.document and len(p.document) >= SHARED_CHARACTERS)
    lengths = [sum(len(turn["content"]) for turn in prompt.messages(question)) for question, prompt in rows]
    groups: dict[str, list[int]] = {}
    for i, (_, prompt) in enumerate(rows):
        document = prompt.document or ""
        groups.setdefault(document if asked[document] > 1 else "", []).append(i)
    for document, numbers in groups.items():
        if not document:
            numbers.sort(key=lambda i: lengths[i])  # stable, so that the same rows give the same batches
        batch: list[int] = []
        for i in numbers:
            longest = max(lengths[j] for j in [*batch, i])
            if batch and (len(batch) == BATCH_ROWS or (len(batch) + 1) * longest > BATCH_CHARACTERS):
                yield batch
                batch = []
            batch.append(i)
        yield batch


def check_questions(base: BaseLM, cases: Iterable[Case], max_new_tokens: int) -> None:
    """Make sure that every question can be asked, before any is.

    Raises:
        EvaluationError: if one alone does not fit the base's window; the case is named.
    """
    for case in cases:
        longest = longest_answer(case, max_new_tokens)
        for number, question in enumerate(case.questions, start=1):
            _room_beside(base, question.text, longest, name=f"question {number} of case {case.id},")


def longest_answer(case: Case, max_new_tokens: int) -> int:
    """Longest answer of a case, in tokens."""
    return min(max_new_tokens, case.max_new_tokens or max_new_tokens)


def fit_document(base: BaseLM, text: str, question: str, max_new_tokens: int) -> str:
    """The text, its middle left out where it does not fit the base's window beside question and answer.

    Raises:
        EvaluationError: if not even the question fits.
    """
    room = _room_beside(base, question, max_new_tokens, name="question")
    ids = base.encode_text(text)
    if len(ids) <= room:
        return text
    tail = ids[len(ids) - room // 2 :]
    return base.decode_text(ids[: room // 2]) + CUT + base.decode_text(tail)


def _room_beside(base: BaseLM, question: str, max_new_tokens: int, *, name: str) -> int:
    """Tokens of the base's window that question and answer leave."""
    around = len(build_prompt_ids(base.tokenizer, question_messages(question, CUT)))
    room = base.window_tokens - around - max_new_tokens - SLACK_TOKENS
    if room < 0:
        raise EvaluationError(
            f"{name} {question[:60]!r}... has {around} tokens with its prompt, which with an answer of "
            f"{max_new_tokens} does not fit the base's window of {base.window_tokens}; leave it out, or allow fewer "
            "tokens for the answer"
        )
    return room
