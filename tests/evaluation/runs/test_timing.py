"""What a piece of work is said to take."""

import time

import pytest
import torch

from lorify.evaluation.runs.timing import _RESET_PEAK_PATH, measured, quick_collection

CPU = torch.device("cpu")
MEGABYTES = 200


@pytest.fixture
def _peaks_are_told():
    """Some sandboxes forbid to reset the peak; then it is that of the whole run, and says so in docs."""
    try:
        _RESET_PEAK_PATH.write_text("5")
    except OSError:
        pytest.skip("the peak of the resident set cannot be reset here")


def peak_of(work) -> float:
    """Megabytes at most in use while something is done."""
    with measured(CPU) as taken:
        work()
    return taken.peak_bytes / 1e6


def allocate() -> None:
    torch.ones(MEGABYTES * 1_000_000 // 4)


@pytest.mark.usefixtures("_peaks_are_told")
def test_the_peak_is_that_of_what_is_measured_and_of_nothing_before():
    idle = peak_of(lambda: None)
    assert peak_of(allocate) - idle == pytest.approx(MEGABYTES, abs=20)
    allocate()
    assert peak_of(lambda: None) - idle == pytest.approx(0, abs=20)  # neither that of before nor of the last block


@pytest.mark.usefixtures("_peaks_are_told")
def test_what_is_held_all_along_counts_in_every_block():
    idle = peak_of(lambda: None)
    held = torch.ones(MEGABYTES * 1_000_000 // 4)
    assert peak_of(lambda: None) - idle == pytest.approx(MEGABYTES, abs=20)
    del held


@pytest.mark.usefixtures("_peaks_are_told")
def test_the_peak_is_the_same_among_collected_objects():
    with quick_collection():
        idle = peak_of(lambda: None)
        assert peak_of(allocate) - idle == pytest.approx(MEGABYTES, abs=20)


def test_seconds_are_those_inside_the_block():
    with measured(CPU) as taken:
        time.sleep(0.2)
    time.sleep(0.3)
    assert 0.2 <= taken.seconds < 0.5
