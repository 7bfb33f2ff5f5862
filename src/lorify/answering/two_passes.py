"""A document and a task at once: the documents answer the question, and the task is done on that answer.

With the adapters of documents and of a task added up, a small base loses the fact or ignores the task (see
docs/research-log.md, 2026-11-28). Each alone does its part, so the question is answered in two passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lorify.adapters import AdapterStack
from lorify.answering.plan import AnswerPlan

DRAFT_TOKENS = 64
"""Maximum length of the documents' answer, in tokens."""


def do_tasks_on_drafts(
    plans: Sequence[AnswerPlan],
    answer: Callable[[Sequence[AnswerPlan]], Sequence[str]],
    prompt_ids: Callable[[str], Sequence[int]],
) -> list[AnswerPlan]:
    """Replace plans with adapters of documents and of tasks by plans of the tasks on the documents' answers.

    Args:
        plans: the plans; others stay as they are.
        answer: answers plans, with at most `DRAFT_TOKENS`.
        prompt_ids: builds the prompt of a chat in which the user says a text.
    """
    planned = list(plans)
    parts = {i: _documents_and_tasks(plan.adapters) for i, plan in enumerate(plans) if _has_two_passes(plan)}
    parts = {i: (documents, tasks) for i, (documents, tasks) in parts.items() if documents.parts and tasks.parts}
    if not parts:
        return planned
    drafts = answer([replace(plans[i], adapters=documents) for i, (documents, _) in parts.items()])
    for (i, (_, tasks)), draft in zip(parts.items(), drafts, strict=True):
        if draft:
            planned[i] = replace(
                plans[i], prompt_ids=tuple(prompt_ids(draft)), adapters=tasks, quote=None, quote_ids=()
            )
    return planned


def _has_two_passes(plan: AnswerPlan) -> bool:
    return plan.request is not None and plan.request.two_passes and not plan.is_continued


def _documents_and_tasks(adapters: AdapterStack) -> tuple[AdapterStack, AdapterStack]:
    """Split adapters into those of documents, and those that write a task over the system message."""
    documents, tasks = [], []
    for part in adapters:
        (tasks if part[0].provenance.needs_default_system_message else documents).append(part)
    return AdapterStack(tuple(documents)), AdapterStack(tuple(tasks))
