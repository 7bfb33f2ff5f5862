"""Tests of the tasks and wordings that were written for training."""

from lorify.data.tables import load_rows
from lorify.data.tasks.decontamination import decontaminate, instance_text
from lorify.data.tasks.fuzzy import load_fuzzy_functions
from lorify.data.tasks.written import written_tasks
from lorify.evaluation.suites.fuzzy_functions import DATA_DIR


def test_each_task_has_many_wordings_and_instances_and_none_twice():
    for task in written_tasks():
        inputs = [instance.input for instance in task.instances]
        assert len(task.descriptions) >= 14 and len(set(task.descriptions)) == len(task.descriptions), task.name
        assert len(inputs) >= 24 and len(set(inputs)) == len(inputs), task.name
        assert all(output.strip() for instance in task.instances for output in instance.outputs), task.name
        assert max(len(text.split()) for text in task.descriptions) > 30, task.name


def test_no_written_task_is_measured_by_the_fuzzy_suite():
    measured = [function.task for function in load_fuzzy_functions(DATA_DIR)]
    texts = [instance_text(instance) for task in measured for instance in task.instances]
    kept, overlaps = decontaminate(written_tasks(), texts)
    assert len(kept) == len(written_tasks()) and not overlaps
    wordings = {text.casefold() for task in written_tasks() for text in task.descriptions}
    assert not wordings & {text.casefold() for task in measured for text in task.descriptions}


def test_each_group_of_wordings_has_long_and_short_ones_without_gaps():
    groups = load_rows("lorify.data.tasks", "wordings")
    patterns = [pattern for group in groups for pattern in group["tasks"]]
    assert len(set(patterns)) == len(patterns)
    for group in groups:
        texts = group["descriptions"]
        assert len(set(texts)) == len(texts) >= 14, group["name"]
        assert sum(len(text.split()) >= 40 for text in texts) >= 3, group["name"]
        assert not any("{...}" in text for text in texts), group["name"]
