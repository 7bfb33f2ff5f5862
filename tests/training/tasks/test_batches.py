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
