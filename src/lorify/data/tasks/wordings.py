"""Wordings of published tasks (P3, Super-NaturalInstructions, CLINC150, Banking77), as people would phrase them.

The published files have one or two descriptions each. The tables identify tasks by patterns; tasks with the same
wordings, such as the templates of a data set, have the same form of answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache

from lorify.data.tables import load_rows
from lorify.data.tasks.schema import Task

UNUSABLE = (
    # The label does not match the input: options in another order, other candidates, the wrong turn of a chat.
    "t0_quarel_*", "t0_qasc_is_correct_2", "sni_task639_*",
    # The input does not determine the answer.
    "t0_cosmos_qa_only_question_answer", "t0_duorc_*_build_story_around_qa", "t0_commonsense_qa_answer_to_question",
    "t0_wiki_bio_*", "sni_task1590_*", "sni_task1729_*",
    # Answers need memorized facts or long reasoning, beyond a small base.
    "t0_kilt_tasks_hotpotqa_*", "sni_task30[5-8]_*", "math_aqua",
    # Answers in mixed forms.
    "sni_task511_*", "math_mawps_equation",
)  # fmt: skip
"""Patterns of tasks that are not used in training."""


@dataclass(frozen=True)
class Wordings:
    """Wordings of published tasks.

    Attributes:
        name: name of the group, which is the family of its tasks.
        tasks: patterns of their names.
        descriptions: the wordings.
    """

    name: str
    tasks: tuple[str, ...]
    descriptions: tuple[str, ...]


def with_wordings(tasks: Iterable[Task]) -> list[Task]:
    """Add wordings to published tasks and leave out unusable tasks; tasks without new wordings stay unchanged.

    Tasks with the same wordings become a family. Descriptions with template gaps are dropped.
    """
    return [_with_wordings(task) for task in tasks if not any(fnmatchcase(task.name, p) for p in UNUSABLE)]


def _with_wordings(task: Task) -> Task:
    group = next((g for g in _groups() if any(fnmatchcase(task.name, pattern) for pattern in g.tasks)), None)
    if group is None:
        return task
    own = [text for text in task.descriptions if "{" not in text]
    return replace(
        task, descriptions=tuple(dict.fromkeys((*group.descriptions, *own))), family=f"wordings/{group.name}"
    )


@cache
def _groups() -> tuple[Wordings, ...]:
    rows = load_rows("lorify.data.tasks", "wordings")
    return tuple(Wordings(row["name"], tuple(row["tasks"]), tuple(row["descriptions"])) for row in rows)
