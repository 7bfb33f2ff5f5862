import json

import pytest
import torch
from training.tiny_associative_run import tiny_config, trainer

from lorify.errors import TrainingError
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.engine.loop import TrainingProgress


def trained_weights(folder, config: AssociativeTrainingConfig, stops: tuple[int | None, ...] = (None,)):
    seen: list[TrainingProgress] = []
    for stop in stops:
        current = trainer(folder, config)
        current.run(seen.append, stop_at=stop)
    return current.objective.module.state_dict(), seen


def assert_equal_weights(a, b) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_a_run_stops_after_its_time_with_a_checkpoint_and_goes_on(tmp_path):
    run = trainer(tmp_path / "run", tiny_config())
    run.run(lambda _: None, seconds=0)
    assert run.step == 1 and (tmp_path / "run" / "best").is_dir()
    resumed = trainer(tmp_path / "run", tiny_config())
    assert resumed.step == 1
    resumed.run(lambda _: None, seconds=600)
    assert resumed.step == 4


def test_out_of_memory_keeps_what_is_trained_and_names_a_smaller_batch(tmp_path, monkeypatch):
    config = tiny_config(steps=3)
    config = config.model_copy(update={"data": config.data.model_copy(update={"niah": 2})})
    run = trainer(tmp_path / "run", config)
    loss = run.objective.loss

    def out_of_memory(batch: int):
        if batch == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss(batch)

    monkeypatch.setattr(run.objective, "loss", out_of_memory)
    with pytest.raises(TrainingError, match=r"for step 2; the weights of step 1 are in .*--set data.niah=1 ") as error:
        run.run(lambda _: None)
    assert "optimization.accumulation=2" in str(error.value) and f"init_from={tmp_path / 'run' / 'last'}" in str(
        error.value
    )
    assert trainer(tmp_path / "run", config).step == 1
    ASSOCIATIVE.load(tmp_path / "run" / "last")


def test_other_errors_of_a_step_are_left_alone(tmp_path, monkeypatch):
    run = trainer(tmp_path / "run", tiny_config(steps=1))
    monkeypatch.setattr(run.objective, "loss", lambda _: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="size"):
        run.run(lambda _: None)


def test_the_same_seed_gives_the_same_weights_and_a_resumed_run_too(tmp_path):
    config = tiny_config()
    whole, seen = trained_weights(tmp_path / "a", config)
    again, _ = trained_weights(tmp_path / "b", config)
    resumed, seen_in_parts = trained_weights(tmp_path / "c", config, stops=(1, 3, None))
    assert_equal_weights(whole, again)
    assert_equal_weights(whole, resumed)
    assert [p.step for p in seen] == [p.step for p in seen_in_parts] == [1, 2, 3, 4]
    assert [p.metrics["loss"] for p in seen] == [p.metrics["loss"] for p in seen_in_parts]


def test_a_run_leaves_a_best_hypernetwork_curves_and_nothing_half_written(tmp_path):
    trained_weights(tmp_path / "run", tiny_config())
    config, _ = ASSOCIATIVE.load(tmp_path / "run" / "best")
    assert config.base_digest == "llama"
    assert json.loads((tmp_path / "run" / "best.json").read_text())["step"] in (2, 4)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "best",
        "best.json",
        "checkpoint",
        "config.json",
        "curves",
    }


def test_training_lowers_the_loss_on_a_passage(tmp_path):
    config = tiny_config(steps=60, learning_rate=2e-2)
    config = config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"facts": 0, "niah": 0, "texts": 0, "general_probability": 0.0, "distractor_probability": 0.0}
            ),
            "evaluate_every": 60,
            "checkpoint_every": 60,
        }
    )
    _, seen = trained_weights(tmp_path / "run", config)
    assert seen[-1].metrics["loss/questions"] < 0.9 * seen[0].metrics["loss/questions"]


def test_another_config_in_the_same_folder_is_refused(tmp_path):
    trainer(tmp_path / "run", tiny_config())
    with pytest.raises(TrainingError, match="another config"):
        trainer(tmp_path / "run", tiny_config(steps=9))


def test_two_runs_do_not_train_in_one_folder(tmp_path):
    other = trainer(tmp_path / "run", tiny_config())

    def meanwhile(_progress: TrainingProgress) -> None:
        with pytest.raises(TrainingError, match=r"another process is training in .*; stop it, wait for it"):
            other.run(lambda _: None)

    trainer(tmp_path / "run", tiny_config()).run(meanwhile, stop_at=1)
    assert other.step == 0
    other.run(lambda _: None, stop_at=1)  # free again
    assert other.step == 1


def test_a_damaged_checkpoint_is_named(tmp_path):
    trained_weights(tmp_path / "run", tiny_config(), stops=(1,))
    path = tmp_path / "run" / "checkpoint" / "state.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        trainer(tmp_path / "run", tiny_config())
