"""How often something may happen in a second."""

import asyncio
import time

import pytest
from set_clock import SetClock, clock_of

from lorify.errors import BusyError
from lorify.serving.limits.rates import MAX_WAIT_SECONDS, RateLimit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    return clock_of("lorify.serving.limits.rates", monkeypatch)


def test_after_some_at_once_further_ones_wait_for_the_rate(clock: SetClock) -> None:
    limit = RateLimit(10, at_once=3)
    assert [round(limit.take("ann"), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]
    assert limit.take("bob") == 0, "each has a rate of its own"
    clock.now += 0.2
    assert round(limit.seconds_until("ann"), 3) == 0.1
    clock.now += 10
    assert [round(limit.take("ann"), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2], "a pause gives no further credit"


def test_a_turn_that_is_far_away_is_refused_with_the_time_to_wait(clock: SetClock) -> None:
    limit = RateLimit(1, at_once=1)
    for _ in range(4):
        limit.take("ann")
    with pytest.raises(BusyError, match="too many requests a second, more than 1; try again in 4 s") as busy:
        asyncio.run(limit.turn("ann"))
    assert busy.value.retry_after_seconds == 4
    clock.now += 4
    asyncio.run(limit.turn("ann"))


def test_setting_the_clock_of_the_machine_does_not_change_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = RateLimit(0.001, at_once=1)
    limit.take("ann")
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert limit.seconds_until("ann") > 900
    assert time.time() == 4e9


def test_who_does_not_wait_is_forgotten(clock: SetClock) -> None:
    limit = RateLimit(10, at_once=1)
    for i in range(3000):
        limit.take(f"address {i}")
        clock.now += 0.2
    assert limit.seconds_until("address 2999") == 0
    limit.take("ann")
    for i in range(3000):
        limit.take(f"address {i}")
    assert limit.seconds_until("ann") > 0, "who waits is remembered"


def test_a_penalty_makes_later_ones_wait_but_not_for_ever(clock: SetClock) -> None:
    limit = RateLimit(10, at_once=1)
    limit.take("ann")
    limit.take("ann", 5)
    assert round(limit.seconds_until("ann"), 3) == 0.6
    for _ in range(100):
        limit.take("ann", 5)
    assert MAX_WAIT_SECONDS < limit.seconds_until("ann") < MAX_WAIT_SECONDS + 0.2
