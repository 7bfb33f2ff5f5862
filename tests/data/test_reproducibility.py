"""Generated data must not change by accident: published scores and resumed runs depend on it.

A deliberate change updates the digests, and says so in the changelog.
"""

import dataclasses
import hashlib
import random

from lorify.data.facts.contradictions import contradict
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.tasks.suite import drawn_suite_tasks, task_suite


def described(value: object) -> object:
    """`value` with dataclasses as names and fields; fields at their default are left out: new ones change nothing."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: described(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
        return type(value).__name__, fields
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    return value


def digest(value: object) -> str:
    return hashlib.sha256(repr(described(value)).encode()).hexdigest()[:16]


def test_fact_documents_are_the_same_as_ever():
    examples = [generate_fact_example(random.Random(seed), split="heldout") for seed in range(40)]
    assert digest(examples) == "977de45ba88a2536"
    assert digest([contradict(example, random.Random(0)) for example in examples[:5]]) == "5b484ee8f9091e46"


def test_single_entity_documents_are_the_same_as_ever():
    assert digest([generate_single_entity_example(random.Random(seed)) for seed in range(40)]) == "a9930dd51813e2c8"


def test_generated_tasks_are_the_same_as_ever():
    assert digest(task_suite()) == "c77304d534b2a784"
    assert digest(drawn_suite_tasks(160)) == "68824490e81eb95f"
