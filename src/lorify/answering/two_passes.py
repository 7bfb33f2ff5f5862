"""A document and a task at once: the documents answer the question, and the task is done on that answer.

With the adapters of documents and of a task added up, a small base loses the fact or ignores the task (see
docs/research-log.md, 2026-11-28). Each alone does its part, so the question is answered in two passes. A short answer
of the documents keeps its letters: if the task only gives texts a form, that form is applied to it (see
`lorify.answering.task_forms`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.plan import AnswerPlan
from lorify.answering.quotes import Quote
from lorify.answering.task_forms import STAND_IN_TOKENS, STAND_INS, find_form, may_have_form

DRAFT_TOKENS = 64
"""Maximum length of the documents' answer, in tokens."""


class Draft(NamedTuple):
    """An answer that a task may be done on.

    Attributes:
        text: the answer.
        withheld: the answer that `text` replaces, since the documents do not state it; None if nothing was replaced.
    """

    text: str
    withheld: str | None = None


WriteDrafts = Callable[[Sequence[AnswerPlan], int], Sequence[Draft]]
"""Answers plans with at most so many tokens each."""


_Key = tuple[tuple[int, float], ...]
Trials = MutableMapping[Adapter, dict[_Key, Sequence[str]]]
"""Adapter of a task -> its answers to the stand-ins at each scale."""


@dataclass(frozen=True)
class TwoPasses:
    """Answers with documents first, and does tasks on their answers.

    Attributes:
        write: answers plans.
        prompt_ids: builds the prompt of a chat in which the user says a text.
        encode: returns the tokens of an answer.
        trials: what is known of tasks that were tried before; new ones are added.
    """

    write: WriteDrafts
    prompt_ids: Callable[[str], Sequence[int]]
    encode: Callable[[str], Sequence[int]]
    trials: Trials

    def plan(self, plans: Sequence[AnswerPlan]) -> list[AnswerPlan]:
        """Replace plans with adapters of documents and of tasks by plans of the tasks on the documents' answers.

        Where the documents do not state an answer there is nothing to do the task on, and the plan is the documents'.
        """
        planned = list(plans)
        parts = {i: _documents_and_tasks(plan.adapters) for i, plan in enumerate(plans) if _has_two_passes(plan)}
        parts = {i: (documents, tasks) for i, (documents, tasks) in parts.items() if documents.parts and tasks.parts}
        if not parts:
            return planned
        alone = {i: replace(plans[i], adapters=documents) for i, (documents, _) in parts.items()}
        drafts = dict(zip(parts, self.write(list(alone.values()), DRAFT_TOKENS), strict=True))
        stated = {i: draft.text for i, draft in drafts.items() if draft.withheld is None and draft.text}
        formed = self._apply_forms({i: (text, parts[i][1]) for i, text in stated.items()})
        for i, text in stated.items():
            second = replace(plans[i], prompt_ids=tuple(self.prompt_ids(text)), adapters=parts[i][1])
            planned[i] = self._quoting(second, formed[i])
        for i, draft in drafts.items():
            if draft.withheld is not None:
                planned[i] = alone[i] if alone[i].quote else self._quoting(alone[i], draft.withheld)
        return planned

    def _quoting(self, plan: AnswerPlan, text: str | None) -> AnswerPlan:
        """Change a plan to answer with a text that is known; with None, the base answers."""
        if text is None:
            return replace(plan, quote=None, quote_ids=())
        return replace(plan, quote=Quote(text, None), quote_ids=tuple(self.encode(text)))

    def _apply_forms(self, asked: Mapping[int, tuple[str, AdapterStack]]) -> dict[int, str | None]:
        """Apply the form of its task to each text; None where the task has none, or the text is too long for one."""
        trials = self._try_on_stand_ins([stack for text, stack in asked.values() if may_have_form(text)])
        formed: dict[int, str | None] = {}
        for i, (text, stack) in asked.items():
            form = find_form(trials[_key(stack)], text) if may_have_form(text) else None
            formed[i] = None if form is None else form.apply(text)
        return formed

    def _try_on_stand_ins(self, stacks: Sequence[AdapterStack]) -> dict[_Key, Sequence[str]]:
        """Return what tasks answer to the stand-ins; those that have not been tried before are tried in one batch."""
        trials: dict[_Key, Sequence[str]] = {}
        new: dict[_Key, AdapterStack] = {}
        for stack in stacks:
            key, known = _key(stack), self.trials.get(stack.adapters[0], {})
            if key in known:
                trials[key] = known[key]
            else:
                new[key] = stack
        plans = [AnswerPlan(tuple(self.prompt_ids(text)), stack) for stack in new.values() for text in STAND_INS]
        answers = iter(self.write(plans, STAND_IN_TOKENS) if plans else ())
        for key, stack in new.items():
            trials[key] = tuple(answer.text for answer in islice(answers, len(STAND_INS)))
            if len(stack.parts) == 1:  # of several adapters, another one may get the identity of one that is gone
                self.trials.setdefault(stack.adapters[0], {})[key] = trials[key]
        return trials


def _key(stack: AdapterStack) -> _Key:
    """What tells stacks of adapters apart while they are in use."""
    return tuple((id(adapter), scale) for adapter, scale in stack)


def _has_two_passes(plan: AnswerPlan) -> bool:
    return plan.request is not None and plan.request.two_passes and not plan.is_continued


def _documents_and_tasks(adapters: AdapterStack) -> tuple[AdapterStack, AdapterStack]:
    """Split adapters into those of documents, and those that write a task over the system message."""
    documents, tasks = [], []
    for part in adapters:
        (tasks if part[0].provenance.needs_default_system_message else documents).append(part)
    return AdapterStack(tuple(documents)), AdapterStack(tuple(tasks))
