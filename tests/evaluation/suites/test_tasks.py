import pytest
from tiny_lorify import Reader

from lorify.data.tasks.files import save_task
from lorify.data.tasks.suite import suite_unseen_tasks
from lorify.errors import EvaluationError
from lorify.evaluation.suites.registry import parse_suite
from lorify.evaluation.suites.tasks import TasksSuite

TASKS = suite_unseen_tasks()[:1] + suite_unseen_tasks()[-1:]


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> TasksSuite:
    folder = tmp_path_factory.mktemp("tasks")
    for task in TASKS:
        save_task(task, folder)
    return TasksSuite(path=folder, instances=2, seeds=2)


def test_examples_are_chat_turns_without_held_out_inputs(suite):
    (case, *_) = suite.build(Reader())
    task = next(task for task in TASKS if task.name == case.task.name)
    assert [turn["role"] for turn in case.task.examples] == ["user", "assistant"] * 3
    assert {q.text for q in case.questions}.isdisjoint(turn["content"] for turn in case.task.examples)
    assert case.metric == task.metric and case.max_new_tokens > 4 and case.documents == ()


def test_the_label_gives_the_suite_again(suite):
    assert parse_suite(suite.label) == suite
    for other in ("seen", "written"):
        with pytest.raises(EvaluationError, match="exclude each other"):
            parse_suite(f"{suite.label}:{other}=true")
