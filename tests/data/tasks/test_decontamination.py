import pytest

from lorify.data.tasks.decontamination import decontaminate, instance_text
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

RUN = "The quick brown fox jumps over the lazy dog near the river bank"


def task(name: str, *instances: tuple[str, str]) -> Task:
    return Task(name, "d", ("d",), tuple(Instance(i, (o,)) for i, o in instances), "exact", "family", "test")


def test_overlapping_instances_and_tasks_are_removed():
    mostly_clean = task("clean", *((f"a text of number {i} that is of no interest to any", "x") for i in range(9)),
                        (f"And then: {RUN.upper()}!", "y"))  # fmt: skip
    mostly_shared = task("shared", (RUN, "a"), (f"{RUN} again", "b"), ("short", "c"))
    kept, overlaps = decontaminate([mostly_clean, mostly_shared], [instance_text(Instance(f"he said {RUN}", ("z",)))])
    assert [t.name for t in kept] == ["clean"] and len(kept[0].instances) == 9
    assert [(o.task, o.num_shared, o.dropped) for o in overlaps] == [("clean", 1, False), ("shared", 2, True)]


def test_short_texts_do_not_count_and_removing_every_task_is_an_error():
    words = task("words", ("hot", "cold"), ("big", "small"))
    assert decontaminate([words], ["hot\ncold"]) == ([words], [])
    with pytest.raises(EvaluationError, match="every training task overlaps"):
        decontaminate([task("shared", (RUN, "a"))], [RUN])
