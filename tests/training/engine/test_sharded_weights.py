import shutil
from pathlib import Path

import pytest
import torch
from torch.multiprocessing.spawn import ProcessExitedException
from training import parts_of_a_sum, small_perceiver
from training.two_processes import in_two_processes

SHARDED = {"sharded": True}


def assert_same(found: dict, wanted: dict, tolerance: float = 1e-5) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=tolerance, msg=lambda m, name=name: f"{name}: {m}")


def checkpoint(run_dir: Path) -> dict:
    return torch.load(run_dir / "checkpoint" / "state.pt", weights_only=True)


@pytest.mark.slow
def test_weights_that_only_some_processes_reach_are_trained_as_by_one(tmp_path):
    in_two_processes(parts_of_a_sum.train_in_process, tmp_path / "two", parts_of_a_sum.config())
    one = parts_of_a_sum.train(tmp_path / "one", parts_of_a_sum.config(accumulation=2))
    for rank in (0, 1):  # whole again in both
        assert_same(torch.load(tmp_path / "two" / f"weights-{rank}.pt", weights_only=True), one)
    untouched = f"weights.{parts_of_a_sum.BY_NONE}"
    torch.testing.assert_close(one[untouched], parts_of_a_sum.SumObjective().module.state_dict()[untouched])
    best = torch.load(tmp_path / "two" / "best" / "best.pt", weights_only=True)
    assert_same(best, torch.load(tmp_path / "one" / "best" / "best.pt", weights_only=True))


@pytest.fixture(scope="module")
def one_run(tmp_path_factory) -> Path:
    """Checkpoint of one process with twice the accumulation, after two steps of four."""
    folder = tmp_path_factory.mktemp("one") / "run"
    small_perceiver.weights_after(folder, stop_at=2, optimization__accumulation=2)
    return folder


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory) -> Path:
    """A sharded run of two processes that were killed in their third step of four, with a checkpoint of the second."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    with pytest.raises(ProcessExitedException):
        in_two_processes(small_perceiver.train_in_process, folder, 3, SHARDED)
    assert not (folder / "weights.pt").exists()
    return folder


@pytest.mark.slow
def test_two_sharded_processes_are_one_with_twice_the_accumulation(one_run, killed_run):
    found, wanted = checkpoint(killed_run), checkpoint(one_run)
    assert found["step"] == wanted["step"] == 2
    assert_same(found["hypernetwork"], wanted["hypernetwork"])
    moments, wanted_moments = found["optimizer"]["state"], wanted["optimizer"]["state"]
    assert moments.keys() == wanted_moments.keys()
    for number, of_weight in wanted_moments.items():
        assert_same(moments[number], of_weight)


@pytest.mark.slow
def test_a_killed_sharded_run_goes_on_as_if_it_had_never_stopped(killed_run, tmp_path):
    resumed = tmp_path / "resumed"
    shutil.copytree(killed_run, resumed)
    for folder in (resumed, tmp_path / "whole"):
        in_two_processes(small_perceiver.train_in_process, folder, None, SHARDED)
    found, wanted = (torch.load(f / "weights.pt", weights_only=True) for f in (resumed, tmp_path / "whole"))
    assert_same(found, wanted, tolerance=0)


@pytest.mark.slow
def test_one_process_continues_a_sharded_run(one_run, killed_run, tmp_path):
    alone, reference = tmp_path / "alone", tmp_path / "reference"
    for folder in (alone, reference):
        shutil.copytree(killed_run, folder)
    shutil.copy(one_run / "checkpoint" / "state.pt", reference / "checkpoint" / "state.pt")
    found, wanted = (small_perceiver.weights_after(folder, **SHARDED) for folder in (alone, reference))
    assert checkpoint(alone)["step"] == 4
    assert_same(found, wanted)
