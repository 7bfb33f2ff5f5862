import threading

import pytest
import torch

from lorify.training.engine import prefetch
from lorify.training.engine.prefetch import PrefetchedBatches

CARD, CPU = torch.device("cuda"), torch.device("cpu")


class Builder:
    def __init__(self) -> None:
        self.built: list[int] = []
        self.threads: set[str] = set()
        self.second = threading.Event()

    def __call__(self, batch: int) -> str:
        if batch == 7:
            raise ValueError("batch 7 is broken")
        self.built.append(batch)
        self.threads.add(threading.current_thread().name)
        if len(self.built) == 2:
            self.second.set()
        return f"batch {batch}"


@pytest.mark.parametrize("device", [CPU, CARD])
def test_every_batch_is_the_one_that_was_asked_for(device: torch.device) -> None:
    batches = PrefetchedBatches(Builder(), device)
    assert [batches.take(i)[0] for i in (3, 4, 5, 0, 1, 9)] == [f"batch {i}" for i in (3, 4, 5, 0, 1, 9)]


def test_on_an_accelerator_the_next_batch_is_built_during_the_step() -> None:
    build = Builder()
    PrefetchedBatches(build, CARD).take(4)
    assert build.second.wait(10) and build.built == [4, 5]
    assert threading.current_thread().name not in build.threads


def test_a_cpu_builds_what_is_needed_and_nothing_else() -> None:
    build = Builder()
    PrefetchedBatches(build, CPU).take(4)
    assert build.built == [4]


def test_processes_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "num_processes", lambda: 3)
    build = Builder()
    PrefetchedBatches(build, CARD).take(5)
    assert build.second.wait(10) and build.built == [5, 8]


def test_an_error_is_raised_where_the_batch_is_needed() -> None:
    batches = PrefetchedBatches(Builder(), CARD)
    assert batches.take(6)[0] == "batch 6"
    with pytest.raises(ValueError, match="batch 7 is broken"):
        batches.take(7)
