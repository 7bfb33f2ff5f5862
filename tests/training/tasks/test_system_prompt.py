import pytest
import torch
from tiny import tiny_base
from training.small_tasks import DATA, PLACED, assert_same_weights, silent, start, system_message_config, train

from lorify.errors import HypernetworkError, TrainingError
from lorify.hypernets.registry import load_specializer
from lorify.training.preparation import Preparation
from lorify.training.registry import find_training_kind


def test_it_learns_to_follow_descriptions_that_replace_the_system_message(tmp_path, tasks_path):
    changes = {"optimization": {"steps": 60, "learning_rate": 1e-2}, "evaluate_every": 60, "checkpoint_every": 60}
    trainer = start(system_message_config(tasks_path, **changes), tmp_path / "run")
    before = trainer.evaluate()
    trainer.run(lambda _: None)
    assert trainer.evaluate()["loss/seen"] < 0.95 * before["loss/seen"]
    specializer = load_specializer(tiny_base(system_message=True), tmp_path / "run" / "best")
    red, blue = specializer.specialize("Say red, whatever comes."), specializer.specialize("Say blue, whatever comes.")
    assert (specializer.num_training_tasks, specializer.rank) == (4, 20) and red.rank == specializer.rank
    assert not torch.equal(red.weights[0, "down_proj"].B, blue.weights[0, "down_proj"].B)
    assert torch.equal(red.weights[1, "q_proj"].B, blue.weights[1, "q_proj"].B)  # the same for all tasks


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, tasks_path):
    whole, _ = train(system_message_config(tasks_path), tmp_path / "a")
    parts, _ = train(system_message_config(tasks_path), tmp_path / "b", stops=(1, 3, None))
    assert_same_weights(whole, parts)


def test_a_run_starts_from_a_trained_hypernetwork_with_the_same_config(tmp_path, tasks_path):
    first, _ = train(system_message_config(tasks_path), tmp_path / "run")
    best = tmp_path / "run" / "best"
    again = start(system_message_config(tasks_path, init_from=str(best)), tmp_path / "again")
    assert torch.equal(again.objective.module.slot_A, first.objective.module.slot_A)
    with pytest.raises(TrainingError, match="has another base, embedder or hypernetwork than the config"):
        start(system_message_config(tasks_path, init_from=str(best), hypernetwork=PLACED | {"rank": 2}), tmp_path / "x")


def test_what_reads_long_descriptions_is_saved_with_the_weights(tmp_path, tasks_path):
    base = tiny_base(num_layers=6, hidden_size=192, system_message=True)
    config = system_message_config(tasks_path)
    objective = find_training_kind(config.kind).prepare(config, Preparation(tmp_path, lambda _name: base, silent))
    objective.save_best(tmp_path / "best")
    specializer = load_specializer(base, tmp_path / "best")
    short, long = (specializer.specialize(f"Say red{more}.") for more in ("", ", whatever comes, and again and again"))
    assert short.weights[4, "k_proj"].rank == 4  # that of the LoRA for all tasks
    assert long.weights[4, "k_proj"].rank == 4 + 20  # and one for each slot
    objective.save_best(tmp_path / "best")  # replaces it


@pytest.mark.parametrize("size", [1, 4])
def test_what_reads_long_descriptions_is_solved_from_as_many_whatever_the_size_of_a_batch(
    size, tmp_path, tasks_path, monkeypatch
):
    seen: list[str] = []

    def record(_base, _hypernetwork, _reader, chats):
        seen.extend(description for each in chats for description in each.descriptions)

    monkeypatch.setattr("lorify.training.tasks.system_prompt.solve_key_values", record)
    monkeypatch.setattr("lorify.training.tasks.system_prompt.KEY_VALUE_DESCRIPTIONS", 12)
    data = {"tasks_per_batch": size, "descriptions_per_task": 1}
    config = system_message_config(tasks_path, data=DATA | {"tasks_path": str(tasks_path)} | data)
    objective = find_training_kind(config.kind).prepare(
        config, Preparation(tmp_path, lambda _name: tiny_base(system_message=True), silent)
    )
    objective.save_best(tmp_path / "best")
    assert len(seen) == 12


def test_bases_and_configs_without_room_for_a_description_are_refused(tmp_path, tasks_path):
    config = system_message_config(tasks_path)
    with pytest.raises(HypernetworkError, match="have no default system message"):
        find_training_kind(config.kind).prepare(config, Preparation(tmp_path, lambda _name: tiny_base(), silent))
    config = system_message_config(tasks_path, hypernetwork=PLACED | {"written_layer": 1})
    with pytest.raises(TrainingError, match="first_layer 1 is not above written_layer 1"):
        start(config, tmp_path / "run")
    config = system_message_config(tasks_path, hypernetwork=PLACED | {"embedded_slots": 20})
    with pytest.raises(TrainingError, match="has 20 tokens, and embedded_slots is 20"):
        start(config, tmp_path / "run")
