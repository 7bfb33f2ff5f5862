from collections import Counter
from dataclasses import replace

import pytest
from tiny import tiny_base
from training.small_tasks import DATA, made_task, sampler

from lorify.errors import TrainingError
from lorify.hypernets.training_data import TaskData
from lorify.training.tasks.batches import TaskSampler


def test_hierarchical_sampling_draws_families_equally_often():
    tasks = [made_task(f"big{n}", "big") for n in range(9)] + [made_task("small", "small")]
    for hierarchical, low, high in ((True, 0.35, 0.65), (False, 0.0, 0.25)):
        drawn = sampler(tasks, tasks_per_batch=1, hierarchical=hierarchical)
        counts = Counter(drawn.build(n).tasks[0] for n in range(200))
        assert low < counts["small"] / 200 < high


def test_a_batch_has_the_configured_numbers_of_descriptions_and_instances_and_none_are_held_out():
    tasks = [made_task(f"t{n}", f"f{n}") for n in range(4)]
    wanted = {"tasks_per_batch": 2, "descriptions_per_task": 2, "instances_per_description": 3}
    batch = sampler(tasks, **wanted).build(0)
    assert len(batch.rows) == 4 and len(set(batch.descriptions)) == 4 and len(set(batch.tasks)) == 2
    assert all(len(row) == 3 for row in batch.rows)
    data = TaskData.model_validate(DATA | wanted | {"descriptions_per_task": 1})
    train, heldout = (TaskSampler(data, tiny_base(), tasks, seed=0, heldout=h) for h in (False, True))
    assert set(train.descriptions) == {f"t{n} {x}" for n in range(4) for x in "abc"}
    assert set(heldout.descriptions) == {f"t{n} d" for n in range(4)}
    seen = {s.prompt for n in range(20) for row in train.build(n).rows for s in row}
    assert not seen & {s.prompt for n in range(20) for row in heldout.build(n).rows for s in row}
    assert {name for n in range(2) for name in heldout.build(n).tasks} == {"t0", "t1", "t2", "t3"}, "in turn"


def test_long_instances_are_skipped_and_an_error_names_the_limit_if_none_remain():
    assert len(sampler([made_task("t", "f"), made_task("long", "g", answer="x" * 300)]).tasks) == 1
    with pytest.raises(TrainingError, match=r"raise data\.max_instance_tokens"):
        sampler([made_task("long", "g", answer="x" * 300)])


def test_training_descriptions_are_reworded_each_time_and_held_out_ones_never():
    tasks = [replace(made_task("t", "f"), descriptions=("Write the text in capital letters.",) * 4)]
    trained, heldout = (sampler(tasks, rewording=True, tasks_per_batch=1, heldout=heldout) for heldout in (False, True))
    drawn = [trained.build(n).descriptions[0] for n in range(20)]
    assert len(set(drawn)) > 10 and drawn[3] == trained.build(3).descriptions[0]
    assert {heldout.build(n).descriptions[0] for n in range(20)} == {"Write the text in capital letters."}


def test_an_epoch_has_every_task_at_most_once_and_leaves_out_an_incomplete_batch():
    tasks = [made_task(f"t{n}", f"f{n}") for n in range(7)]
    drawn = sampler(tasks, tasks_per_batch=3, hierarchical=False, task_order="epochs")
    first, second = ([name for n in pair for name in drawn.build(n).tasks] for pair in ((0, 1), (2, 3)))
    assert len(set(first)) == len(set(second)) == 6 and first != second
    with pytest.raises(ValueError, match="set hierarchical to false"):
        sampler(tasks, task_order="epochs", hierarchical=True)


def test_processes_divide_a_batch_instead_of_drawing_one_each():
    tasks = [made_task(f"t{n}", f"f{n}") for n in range(6)]
    data = TaskData.model_validate(DATA | {"tasks_per_batch": 4, "hierarchical": False})
    split = data.model_copy(update={"split_batches": True})
    whole = TaskSampler(data, tiny_base(), tasks, seed=0).build(1)
    parts = [TaskSampler(split, tiny_base(), tasks, seed=0, num_processes=2).build(2 + part) for part in range(2)]
    assert sorted(whole.tasks) == sorted(name for part in parts for name in part.tasks)
    assert [len(part.rows) for part in parts] == [2, 2]
    with pytest.raises(TrainingError, match="cannot be divided over 3 processes"):
        TaskSampler(split, tiny_base(), tasks, seed=0, num_processes=3)


def test_nothing_is_withheld_if_the_shares_are_zero_and_the_number_of_descriptions_can_be_limited():
    shares = {"heldout_description_share": 0.0, "heldout_instance_share": 0.0}
    task = made_task("t", "f")
    for heldout in (False, True):
        drawn = sampler([task], heldout=heldout, **shares, instances_per_description=10)
        assert set(drawn.descriptions) == {"t a", "t b", "t c", "t d"}
        assert len(drawn.build(0).rows[0]) == len(task.instances)
    assert sampler([task], **shares, max_descriptions=2).descriptions == ["t a", "t b"]


def test_long_instances_are_truncated_on_request():
    long = made_task("long", "g", answer="x" * 300)
    (segment, *_), *_ = sampler([long], long_instances="truncate", max_instance_tokens=50).build(0).rows
    assert len(segment.prompt) + len(segment.answer) == 50


def test_published_prompts_show_the_definition():
    (segment, *_), *_ = sampler([made_task("t", "f")], prompts="published").build(0).rows
    text = tiny_base().tokenizer.decode(segment.prompt)
    assert text.startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\nd Please complete the task without any")


def test_adapters_of_hyperdecoders_come_from_each_instances_own_prompt():
    wanted = {"adapter_from": "prompt", "prompts": "published", "instances_per_description": 2}
    drawn = sampler([made_task("t", "f")], **wanted)
    batch = drawn.build(0)
    assert drawn.descriptions == [] and [len(row) for row in batch.rows] == [1, 1]
    assert all(text.startswith("d Please complete") for text in batch.descriptions)
    assert len(set(batch.descriptions)) == 2
