"""The stages of a question before it is answered: `Query`, `AnswerRequest`, `AnswerPlan`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lorify.adapters import AdapterStack
from lorify.answering.quotes import Quote
from lorify.base.chat.prompts import Message, question_messages
from lorify.base.chat.turns import answered_turns
from lorify.base.constraints import Constraint
from lorify.base.decoding.sampling import GenerationOptions
from lorify.data.answers import NOT_STATED
from lorify.data.follow_ups.prompt import question_in_chat
from lorify.hypernets.evidence import TokenEvidence


@dataclass(frozen=True)
class Query:
    """A question and how to answer it.

    Attributes:
        question: the question; it decides which adapters are on and what they focus on.
        adapters: the adapters to answer with; empty is the bare base.
        document: a text before the question in the prompt.
        turns: turns of the chat before the question.
        only_if_relevant: switch off adapters whose documents the question is not about.
        focus: rebuild adapters from the document tokens that answer the question.
        answer_prefix: beginning of the answer, which the base continues.
        chat_template: chat template in place of the base's.
        not_stated: reply in place of an answer that the adapters' documents do not state; None allows any answer.
        grounded: also reply `not_stated` to a question unrelated to the documents, which the bare base would answer
            otherwise.
        two_passes: with adapters of documents and of a task, answer from the documents first, then do the task on that
            answer; otherwise their updates are added.
        may_quote: answer with words of the documents if that fits the question.
        schema: JSON schema of the answer, whose fields are filled from the documents. The answer follows it only if the
            generation options have the constraint.
    """

    question: str
    adapters: AdapterStack = field(default_factory=AdapterStack)
    document: str | None = None
    turns: tuple[Message, ...] = ()
    only_if_relevant: bool = True
    focus: bool = True
    answer_prefix: str = ""
    chat_template: str | None = None
    not_stated: str | None = None
    grounded: bool = False
    two_passes: bool = True
    may_quote: bool = True
    schema: Mapping[str, Any] | None = None

    @property
    def messages(self) -> list[Message]:
        """The chat that asks the question."""
        return [*self.turns, *question_messages(self.question, self.document)]

    @property
    def num_characters(self) -> int:
        """Number of characters of the chat."""
        return sum(len(message["content"]) for message in self.messages)


def continue_chat(query: Query, turns: Sequence[tuple[str, str]]) -> Query:
    """Make a query the next question of a chat; a document in its prompt moves to the first question.

    Args:
        query: the query.
        turns: earlier questions, each with its answer.
    """
    messages: list[Message] = []
    document = query.document
    for question, answer in turns:
        messages += [*question_messages(question, document), Message(role="assistant", content=answer)]
        document = None
    return replace(query, document=document, turns=(*query.turns, *messages))


@dataclass(frozen=True)
class AnswerRequest:
    """A prompt to answer, before its adapters are chosen.

    Attributes:
        prompt_ids: token ids of the prompt, at least one.
        adapters: as for `Query`.
        question: what the prompt asks.
        only_if_relevant: as for `Query`.
        focus: as for `Query`.
        is_continued: whether the prompt ends with the beginning of the answer.
        not_stated: as for `Query`.
        grounded: as for `Query`.
        two_passes: as for `Query`.
        turns: the chat up to the question, if the question refers back (see `lorify.answering.follow_ups`).
        may_quote: as for `Query`.
        schema: as for `Query`.
    """

    prompt_ids: tuple[int, ...]
    adapters: AdapterStack = field(default_factory=AdapterStack)
    question: str = ""
    only_if_relevant: bool = True
    focus: bool = True
    is_continued: bool = False
    not_stated: str | None = None
    grounded: bool = False
    two_passes: bool = True
    turns: tuple[Message, ...] = ()
    may_quote: bool = True
    schema: Mapping[str, Any] | None = None

    @property
    def question_in_chat(self) -> str:
        """The question with the turns before it, as the extractor reads it; empty if it stands alone."""
        return question_in_chat(*answered_turns(self.turns)) if self.turns else ""

    @property
    def given_answers(self) -> tuple[str, ...]:
        """The answers of the turns before a question that refers back."""
        return tuple(answer for _, answer in answered_turns(self.turns)[0] if answer) if self.turns else ()

    @property
    def reply_if_not_stated(self) -> str | None:
        """Reply in place of an answer that the documents do not state; None allows any. Grounded requests have one."""
        return self.not_stated or (NOT_STATED if self.grounded else None)

    @property
    def is_quotable(self) -> bool:
        """Whether words of the documents may be the whole answer; without focus, the adapter itself answers."""
        return self.may_quote and self.focus and not self.is_continued


@dataclass(frozen=True)
class AnswerPlan:
    """A prompt and the adapters that it is answered with.

    Attributes:
        prompt_ids: token ids of the prompt.
        adapters: the adapters that are on, focused on the question.
        is_continued: whether the prompt ends with the beginning of the answer.
        request: what was planned; None if answers are not checked against the documents.
        evidence: where the documents of each adapter of the request answer the question; None for an adapter whose
            documents were not read while planning. Empty if unknown for all.
        quote: words of the documents that are the answer, in the task's form if there is a task; None if the base
            writes the answer.
        quote_ids: the tokens of the quote.
        is_declined: whether the quote is the reply to a question unrelated to the documents.
        stated: the extractor's probability that the documents answer the question; None if it has not read them.
        constraint: the form of the answer, with values from the documents filled in (see
            `lorify.answering.json_fields`).
    """

    prompt_ids: tuple[int, ...]
    adapters: AdapterStack = field(default_factory=AdapterStack)
    is_continued: bool = False
    request: AnswerRequest | None = None
    evidence: tuple[Sequence[TokenEvidence] | None, ...] = field(default=(), repr=False, compare=False)
    quote: Quote | None = None
    quote_ids: tuple[int, ...] = ()
    is_declined: bool = False
    stated: float | None = None
    constraint: Constraint | None = None

    @property
    def is_on(self) -> bool:
        """Whether any adapter is on."""
        return not self.adapters.is_empty

    @property
    def reply_if_not_stated(self) -> str | None:
        """As for the request; None without a request."""
        return None if self.request is None else self.request.reply_if_not_stated

    def quoted_ids(self, options: GenerationOptions) -> Sequence[int] | None:
        """Return the tokens of the quote that are the answer with these options; None if the base writes the answer."""
        if self.is_declined:
            return self.quote_ids  # a reply, to which the length limit does not apply
        return self.quote_ids[: options.max_new_tokens] if self.quote and options.constraint is None else None

    def narrowed(self, options: GenerationOptions) -> GenerationOptions:
        """Return options whose constraint, if there is one, has the values from the documents filled in."""
        is_narrower = self.constraint is not None and options.constraint is not None
        return replace(options, constraint=self.constraint) if is_narrower else options

    def quote_given(self, text: str) -> Quote | None:
        """Return the plan's quote if the answer is the quote; a constraint or a length limit can change the answer."""
        return self.quote if self.quote is not None and text == self.quote.text else None

    def clean(self, text: str) -> str:
        """Strip the white space around an answer. A continued one keeps leading white space: it may be indentation."""
        return text.rstrip() if self.is_continued else text.strip()


def plan_as_requested(requests: Sequence[AnswerRequest]) -> list[AnswerPlan]:
    """Answer each request with all of its adapters unchanged: a planner without a hypernetwork."""
    return [AnswerPlan(request.prompt_ids, request.adapters) for request in requests]


Planner = Callable[[Sequence[AnswerRequest]], list[AnswerPlan]]
"""Chooses and focuses the adapters of each request; see `lorify.answering.answerer.Answerer.plan`."""
