import pytest
from tiny import tiny_base

from lorify.contexts.descriptions import BaseEncoder
from lorify.data.task_suite import suite_unseen_tasks
from lorify.data.tasks import split_descriptions
from lorify.errors import EvaluationError
from lorify.evaluation.tasks import (
    METHODS,
    TaskAdapters,
    compare_methods,
    evaluate_tasks,
    measure_compression,
    score_answer,
    summarize_tasks,
)
from lorify.facade import Lorify
from lorify.hypernets.task_config import task_config
from lorify.hypernets.task_hypernet import build_task_hypernetwork
from lorify.hypernets.task_storage import save_task_hypernetwork

TASKS = suite_unseen_tasks()[:1] + suite_unseen_tasks()[-1:]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    base = tiny_base()
    config = task_config(base, BaseEncoder(base), rank=2, latent_size=16, head_input_size=16)
    folder = tmp_path_factory.mktemp("hypernet") / "tasks"
    save_task_hypernetwork(folder, config, build_task_hypernetwork(config))
    return Lorify(base, None, folder)


def evaluate(model: Lorify, methods, **adapters):
    return evaluate_tasks(
        model, TASKS, methods=methods, adapters=TaskAdapters(**adapters), num_instances=2, seeds=(0, 1)
    )


def test_every_method_answers_the_same_instances_with_its_own_prompt(model):
    own = {task.name: model.specialize(task.definition) for task in TASKS}
    items = evaluate(model, METHODS, multi_task=own[TASKS[0].name], oracles=own)
    asked = {method: [(i.task, i.seed, i.input) for i in items if i.method == method] for method in METHODS}
    assert all(len(rows) == 8 and rows == asked["none"] for rows in asked.values())
    said = {(i.method, i.task): i.description for i in items if i.seed == 0}
    for task in TASKS:
        assert said["adapter", task.name] == said["description", task.name] == split_descriptions(task)[1][0]
        other = next(t for t in TASKS if t is not task)
        assert said["mismatched", task.name] in other.descriptions
        assert len(said["random", task.name]) > 40 and said["none", task.name] is None
    assert {i.description for i in items if i.method == "adapter"} != {i.description for i in items if i.seed == 0}
    assert all((i.update_seconds is not None) == (i.method in ("adapter", "mismatched", "random")) for i in items)
    rows = summarize_tasks(items)
    assert [row["method"] for row in rows] == list(METHODS)
    assert all(row["low"] <= row["score"] <= row["high"] and row["tasks"] == 2 for row in rows)


def test_what_a_method_lacks_is_named(model):
    for methods, reason in (
        (["oracle"], "--oracles"),
        (["multi_task"], "--multi-task"),
        (["magic"], "'magic' does not"),
    ):
        with pytest.raises(EvaluationError, match=reason):
            evaluate(model, methods)


@pytest.mark.parametrize(
    ("metric", "prediction", "outputs", "score"),
    [
        ("exact", " HOT ", ["HOT"], 1.0),
        ("exact", "hot", ["HOT"], 0.0),
        ("exact", "b", ["a", "b"], 1.0),
        ("normalized", "The hot!", ["hot"], 1.0),
        ("number", "so it is 1,250.", ["1250"], 1.0),
        ("number", "3 plus 4 is 7", ["8"], 0.0),
        ("number", "none", ["8"], 0.0),
        ("f1", "a b", ["b c"], 2 / 3),
        ("rouge_l", "one two three", ["one two three"], 1.0),
    ],
)
def test_scores(metric, prediction, outputs, score):
    assert score_answer(metric, prediction, outputs) == pytest.approx(score)


def test_compression_counts_every_number(model):
    adapter = model.specialize("Say it.")
    numbers = sum(pair.A.numel() + pair.B.numel() for pair in adapter.weights.values())
    found = measure_compression([adapter] * 3, numbers)
    assert found["library_bytes"] == 12 * numbers and found["times_smaller_than_16_bit"] == 6.0


def test_what_the_paper_asks_of_the_scores():
    rows = [
        {"method": m, "score": s} for m, s in (("none", 0.1), ("adapter", 0.6), ("mismatched", 0.2), ("oracle", 0.8))
    ]
    assert compare_methods(rows) == {"of_oracle": 0.75, "gain_lost_mismatched": 0.8}
    assert compare_methods(rows[:1]) == {}
