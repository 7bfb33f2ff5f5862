import pytest

from lorify.data.tasks.schema import Instance, Task, split_descriptions, split_instances
from lorify.errors import EvaluationError


def build_task(num_instances: int) -> Task:
    instances = tuple(Instance(str(number), ("x",)) for number in range(num_instances))
    return Task("name", "definition", tuple("abcdefgh"), instances, "exact", "family", "test")


def test_splits_keep_training_and_evaluation_apart():
    task = build_task(10)
    assert split_descriptions(task) == (tuple("abcdef"), tuple("gh"))
    train, heldout = split_instances(task)
    assert [instance.input for instance in heldout] == ["8", "9"] and not set(train) & set(heldout)


def test_a_task_with_one_instance_cannot_be_split():
    with pytest.raises(EvaluationError, match="at least two"):
        split_instances(build_task(1))
