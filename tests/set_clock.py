"""A clock that stands still until a test moves it."""

import pytest


class SetClock:
    """Takes the place of the module `time` in modules that measure how much of it has passed."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now


def clock_of(module: str, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Give a module of lorify, which imports `time`, a clock of its own."""
    clock = SetClock()
    monkeypatch.setattr(f"{module}.time", clock)
    return clock
