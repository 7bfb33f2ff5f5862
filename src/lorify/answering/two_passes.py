"""A document and a task at once: the documents answer the question, and the task is done on that answer.

If the adapters of documents and of a task are added, a small base loses the fact or ignores the task (see
docs/research-log.md, 2026-11-28). Each works alone, so the question is answered in two passes. To keep the spelling of
a short answer, a task that only gives texts a form is applied by rule (see `lorify.answering.task_forms`).
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
    """An answer from documents, before a task is done on it.

    Attributes:
        text: the answer.
        withheld: the answer that `text` replaces, since the documents do not state it; None if nothing was replaced.
    """

    text: str
    withheld: str | None = None


WriteDrafts = Callable[[Sequence[AnswerPlan], int], Sequence[Draft]]
"""Answers plans, each with at most the given number of tokens."""


Trials = MutableMapping[Adapter, dict[float, Sequence[str]]]
"""Adapter of a task -> scale -> its answers to the stand-ins."""


@dataclass(frozen=True)
class TwoPasses:
    """Answers from documents first, then does tasks on the answers.

    Attributes:
        write: answers plans.
        prompt_ids: builds the prompt of a chat in which the user's turn is a given text.
        encode: returns the tokens of an answer.
        trials: results of tasks that were tried before; new ones are added.
    """

    write: WriteDrafts
    prompt_ids: Callable[[str], Sequence[int]]
    encode: Callable[[str], Sequence[int]]
    trials: Trials

    def plan(self, plans: Sequence[AnswerPlan]) -> list[AnswerPlan]:
        """Replace plans that combine documents and tasks by plans that do the tasks on the documents' answers.

        If the documents do not state an answer, there is nothing to do the task on, and the documents' plan is used.
        """
        planned = list(plans)
        parts = {i: split_documents_and_tasks(plan.adapters) for i, plan in enumerate(plans) if _has_two_passes(plan)}
        parts = {i: (documents, tasks) for i, (documents, tasks) in parts.items() if documents.parts and tasks.parts}
        if not parts:
            return planned
        alone = {i: replace(plans[i], adapters=documents) for i, (documents, _) in parts.items()}
        drafts = dict(zip(parts, self.write(list(alone.values()), DRAFT_TOKENS), strict=True))
        stated = {i: draft.text for i, draft in drafts.items() if draft.withheld is None and draft.text}
        formed = self._apply_forms({i: (text, parts[i][1]) for i, text in stated.items()})
        for i, text in stated.items():
            second = replace(plans[i], prompt_ids=tuple(self.prompt_ids(text)), adapters=parts[i][1])
            planned[i] = self._quoting(second, formed.get(i))
        for i, draft in drafts.items():
            if draft.withheld is not None:
                planned[i] = alone[i] if alone[i].quote else self._quoting(alone[i], draft.withheld)
        return planned

    def _quoting(self, plan: AnswerPlan, text: str | None) -> AnswerPlan:
        """Change a plan to answer with a known text; with None, the base answers."""
        if text is None:
            return replace(plan, quote=None, quote_ids=())
        return replace(plan, quote=Quote(text, None), quote_ids=tuple(self.encode(text)))

    def _apply_forms(self, asked: Mapping[int, tuple[str, AdapterStack]]) -> dict[int, str]:
        """Apply the forms of tasks to texts, except where a text is too long for a form or its task has none."""
        short = {i: (text, stack) for i, (text, stack) in asked.items() if may_have_form(text)}
        trials = self._try_on_stand_ins([stack for _, stack in short.values()])
        forms = {i: find_form(trials[stack], text) for i, (text, stack) in short.items()}
        return {i: form.apply(short[i][0]) for i, form in forms.items() if form is not None}

    def _try_on_stand_ins(self, stacks: Sequence[AdapterStack]) -> dict[AdapterStack, Sequence[str]]:
        """Return the tasks' answers to the stand-ins; tasks not tried before are tried in one batch."""
        trials = {stack: known for stack in stacks if (known := self._recall(stack)) is not None}
        new = [stack for stack in dict.fromkeys(stacks) if stack not in trials]
        plans = [AnswerPlan(tuple(self.prompt_ids(text)), stack) for stack in new for text in STAND_INS]
        answers = iter(self.write(plans, STAND_IN_TOKENS) if plans else ())
        for stack in new:
            trials[stack] = tuple(answer.text for answer in islice(answers, len(STAND_INS)))
            if len(stack.parts) == 1:  # only single tasks are cached: of several, one would keep the others alive
                ((adapter, scale),) = stack
                self.trials.setdefault(adapter, {})[scale] = trials[stack]
        return trials

    def _recall(self, stack: AdapterStack) -> Sequence[str] | None:
        """The cached answers of a task to the stand-ins; None if it was not tried, or there are several tasks."""
        ((adapter, scale), *others) = stack
        return None if others else self.trials.get(adapter, {}).get(scale)


def _has_two_passes(plan: AnswerPlan) -> bool:
    return plan.request is not None and plan.request.two_passes and not plan.is_continued


def split_documents_and_tasks(adapters: AdapterStack) -> tuple[AdapterStack, AdapterStack]:
    """Split adapters into those of documents and those that overwrite the system message with a task."""
    documents, tasks = [], []
    for part in adapters:
        (tasks if part[0].provenance.needs_default_system_message else documents).append(part)
    return AdapterStack(tuple(documents)), AdapterStack(tuple(tasks))
