"""Generated data must not change by accident: published scores and resumed runs depend on it.

A deliberate change updates the digests, and says so in the changelog.
"""

import hashlib
import random

from lorify.data.facts.contradictions import contradict
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.tasks.suite import drawn_suite_tasks, task_suite

ADDED_FIELDS = (", kind='', metric=None", ", turns=()", ", unanswerable=()")
"""Fields that were added after the digests were taken, at their defaults."""


def digest(value: object) -> str:
    text = repr(value)
    for field in ADDED_FIELDS:
        text = text.replace(field, "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_fact_documents_are_the_same_as_ever():
    examples = [generate_fact_example(random.Random(seed), split="heldout") for seed in range(40)]
    assert digest(examples) == "58f04489d06e407e"
    assert digest([contradict(example, random.Random(0)) for example in examples[:5]]) == "99c48846a4886b0b"


def test_single_entity_documents_are_the_same_as_ever():
    assert digest([generate_single_entity_example(random.Random(seed)) for seed in range(40)]) == "1002fe3af74dcfb8"


def test_generated_tasks_are_the_same_as_ever():
    assert digest(task_suite()) == "59dd4e4895725886"
    assert digest(drawn_suite_tasks(160)) == "1347ce35d5b6856c"
