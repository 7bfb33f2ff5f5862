import random

import pytest

from lorify.data.tasks.families.registry import DRAWN_FAMILIES, drawn_tasks, fixed_tasks


def test_names_of_tasks_are_unique():
    names = [spec.name for spec in (*fixed_tasks(), *drawn_tasks(2 * len(DRAWN_FAMILIES)))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("family", dict.fromkeys(DRAWN_FAMILIES), ids=lambda family: family.__name__)
def test_a_drawn_family_gives_the_same_task_for_the_same_seed(family):
    first, second = (family(random.Random("seed"), "1") for _ in range(2))
    assert (first.name, first.templates, first.choices) == (second.name, second.templates, second.choices)
    assert first.draw_instance(random.Random(0)) == second.draw_instance(random.Random(0))
