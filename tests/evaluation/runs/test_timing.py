"""Measured time and memory."""

from pathlib import Path

import pytest
import torch

from lorify.evaluation.runs.timing import frozen_garbage, measured

CPU = torch.device("cpu")
MEGABYTES = 200


@pytest.fixture
def _resettable_peak():
    """Skip the test where the sandbox does not allow the peak to be reset."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the peak of the resident set cannot be reset here")


def peak_of(work) -> float:
    """Measure the peak memory of a piece of work in megabytes."""
    with measured(CPU) as taken:
        work()
    return taken.peak_bytes / 1e6


def allocate() -> None:
    torch.ones(MEGABYTES * 1_000_000 // 4)


@pytest.mark.usefixtures("_resettable_peak")
def test_the_peak_is_that_of_the_measured_block_alone():
    idle = peak_of(lambda: None)
    assert peak_of(allocate) - idle == pytest.approx(MEGABYTES, abs=20)
    allocate()
    assert peak_of(lambda: None) - idle == pytest.approx(0, abs=20)  # not the earlier peaks


@pytest.mark.usefixtures("_resettable_peak")
def test_memory_held_throughout_counts_in_every_block():
    idle = peak_of(lambda: None)
    held = torch.ones(MEGABYTES * 1_000_000 // 4)
    assert peak_of(lambda: None) - idle == pytest.approx(MEGABYTES, abs=20)
    del held


@pytest.mark.usefixtures("_resettable_peak")
def test_frozen_garbage_does_not_change_the_peak():
    with frozen_garbage():
        idle = peak_of(lambda: None)
        assert peak_of(allocate) - idle == pytest.approx(MEGABYTES, abs=20)


def test_seconds_are_those_inside_the_block(monkeypatch):
    clock = iter([10.0, 10.25, 99.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    with measured(CPU) as taken:
        pass
    assert taken.seconds == 0.25
