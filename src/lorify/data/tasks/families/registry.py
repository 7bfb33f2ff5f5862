"""The registry of families, and the tasks of all families."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import cycle, islice

from lorify.data.tasks.families.drawn.affixes import draw_affixes_task
from lorify.data.tasks.families.drawn.code import draw_code_task
from lorify.data.tasks.families.drawn.codes import draw_orders_task, draw_parts_task
from lorify.data.tasks.families.drawn.compositions import draw_compositions_task
from lorify.data.tasks.families.drawn.constants import draw_constants_task
from lorify.data.tasks.families.drawn.enclosed import (
    draw_inside_task,
    draw_naming_task,
    draw_rewrapping_task,
    draw_unwrapping_task,
)
from lorify.data.tasks.families.drawn.fields import draw_fields_task
from lorify.data.tasks.families.drawn.frames import draw_exchanges_task, draw_frames_task
from lorify.data.tasks.families.drawn.judgements import draw_labels_task, draw_questions_task
from lorify.data.tasks.families.drawn.lists import draw_picks_task, draw_separators_task
from lorify.data.tasks.families.drawn.lookups import draw_lookups_task
from lorify.data.tasks.families.drawn.marks import draw_marks_task, draw_word_wrapping_task
from lorify.data.tasks.families.drawn.notes import draw_extraction_task
from lorify.data.tasks.families.drawn.requests import draw_requests_task
from lorify.data.tasks.families.drawn.structures import draw_forms_task
from lorify.data.tasks.families.drawn.topics import draw_topics_task
from lorify.data.tasks.families.drawn.voices import draw_voices_task
from lorify.data.tasks.families.drawn.wrapping import draw_wrapping_task
from lorify.data.tasks.families.fixed.categories import kind_questions_tasks, kinds_tasks
from lorify.data.tasks.families.fixed.dates import dates_tasks
from lorify.data.tasks.families.fixed.extraction import extraction_tasks, labelled_extraction_tasks, messages_tasks
from lorify.data.tasks.families.fixed.formats import code_tasks, constants_tasks
from lorify.data.tasks.families.fixed.language import grammar_tasks, knowledge_tasks
from lorify.data.tasks.families.fixed.letter_case import case_tasks
from lorify.data.tasks.families.fixed.lists import letters_tasks, lists_tasks, selection_tasks, separators_tasks
from lorify.data.tasks.families.fixed.marks import affixes_tasks, brackets_tasks, wrapping_tasks
from lorify.data.tasks.families.fixed.numbers import arithmetic_tasks, comparison_tasks, number_forms_tasks
from lorify.data.tasks.families.fixed.reviews import sentiment_tasks, votes_tasks
from lorify.data.tasks.families.fixed.rewriting import rewriting_tasks
from lorify.data.tasks.families.fixed.topics import topic_questions_tasks, topics_tasks
from lorify.data.tasks.families.fixed.voices import greetings_tasks, personas_tasks
from lorify.data.tasks.spec import TaskSpec

FIXED_FAMILIES: tuple[Callable[[], list[TaskSpec]], ...] = (
    case_tasks,
    wrapping_tasks,
    brackets_tasks,
    affixes_tasks,
    separators_tasks,
    selection_tasks,
    lists_tasks,
    letters_tasks,
    code_tasks,
    constants_tasks,
    personas_tasks,
    greetings_tasks,
    extraction_tasks,
    labelled_extraction_tasks,
    messages_tasks,
    dates_tasks,
    sentiment_tasks,
    votes_tasks,
    topics_tasks,
    topic_questions_tasks,
    kinds_tasks,
    kind_questions_tasks,
    arithmetic_tasks,
    comparison_tasks,
    number_forms_tasks,
    grammar_tasks,
    knowledge_tasks,
    rewriting_tasks,
)
"""Functions that list the tasks of a family."""

DRAWN_FAMILIES: tuple[Callable[[random.Random, str], TaskSpec], ...] = (
    draw_wrapping_task, draw_extraction_task, draw_affixes_task, draw_labels_task, draw_voices_task,
    draw_fields_task, draw_marks_task, draw_separators_task, draw_forms_task, draw_frames_task, draw_topics_task,
    draw_constants_task, draw_fields_task, draw_unwrapping_task, draw_exchanges_task, draw_questions_task,
    draw_parts_task, draw_rewrapping_task, draw_compositions_task, draw_extraction_task, draw_wrapping_task,
    draw_inside_task, draw_picks_task, draw_fields_task, draw_code_task, draw_labels_task, draw_naming_task,
    draw_forms_task, draw_parts_task, draw_voices_task, draw_questions_task, draw_parts_task,
    draw_word_wrapping_task, draw_requests_task, draw_orders_task, draw_lookups_task, draw_orders_task,
    draw_lookups_task, draw_requests_task, draw_lookups_task, draw_orders_task,
)  # fmt: skip
"""Functions that draw a task of a family, given a random generator and a task number, in the order of their turns.

A family that is listed several times has more tasks. Adding one changes the families of all later task numbers.
"""


def fixed_tasks() -> list[TaskSpec]:
    """List the tasks of all fixed families."""
    return [spec for family in FIXED_FAMILIES for spec in family()]


def drawn_tasks(count: int) -> list[TaskSpec]:
    """Draw the first `count` tasks of the drawn families, which take turns; always the same tasks."""
    families = islice(cycle(DRAWN_FAMILIES), count)
    return [family(random.Random(f"drawn/{number}"), str(number)) for number, family in enumerate(families)]
