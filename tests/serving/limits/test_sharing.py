"""Sharing between owners: who goes next, and how much one owner may take."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable

import pytest
from serving.waiting import TIMEOUT_SECONDS
from set_clock import clock_of

from lorify.errors import BusyError
from lorify.serving.limits.sharing import NICENESS, FairQueue, Pace, owner_limit
from lorify.serving.limits.workers import Workers


def take_all(queue: FairQueue[str], cost: float = 1.0) -> list[str]:
    taken = []
    while (owner := queue.next_owner()) is not None:
        taken.append(queue.take(owner))
        queue.charge(owner, cost)
        queue.end(owner)
    return taken


@pytest.mark.parametrize("total, share, limit", [(16, 0.25, 4), (2, 0.25, 1), (1, 0.25, 1), (0, 0.25, 0), (8, 1.0, 8)])
def test_an_owner_may_take_a_share_but_at_least_one(total: int, share: float, limit: int) -> None:
    assert owner_limit(total, share) == limit


def test_owners_take_turns_however_much_one_has_queued() -> None:
    queue: FairQueue[str] = FairQueue()
    for i in range(5):
        queue.push("ann", f"a{i}")
    for i in range(2):
        queue.push("bob", f"b{i}")
    assert take_all(queue) == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]


def test_who_was_served_more_waits() -> None:
    queue: FairQueue[str] = FairQueue()
    for owner in ("ann", "bob"):
        for i in range(2):
            queue.push(owner, f"{owner} {i}")
    queue.charge("ann", 10)
    assert take_all(queue) == ["bob 0", "bob 1", "ann 0", "ann 1"]


def test_who_was_away_has_no_credit() -> None:
    queue: FairQueue[str] = FairQueue()
    for i in range(2):
        queue.push("ann", f"a{i}")
    queue.charge("ann", 100)
    for i in range(3):
        queue.push("bob", f"b{i}")
    assert take_all(queue) == ["a0", "b0", "a1", "b1", "b2"]


def test_slots_are_shared_out() -> None:
    workers = Workers("cakes to be baked", 1, max_requests=4, max_share=0.5)
    with workers.slot("ann"), workers.slot("ann"):
        with (
            pytest.raises(BusyError, match="2 of your requests are waiting for cakes to be baked"),
            workers.slot("ann"),
        ):
            pass
        with workers.slot("bob"), workers.slot("bob"):
            with pytest.raises(BusyError, match="4 requests are waiting"), workers.slot("eve"):
                pass
    with workers.slot("ann"):
        pass
    workers.close()


def test_one_owner_does_not_take_all_threads() -> None:
    async def run() -> list[str]:
        workers = Workers("cakes to be baked", 2, max_requests=8, max_share=0.5)
        started, release = threading.Event(), threading.Event()
        order: list[str] = []

        def slow() -> None:
            started.set()
            assert release.wait(TIMEOUT_SECONDS)

        slow_work = [asyncio.create_task(workers.run(slow, "ann")) for _ in range(3)]
        await asyncio.to_thread(started.wait)
        await workers.run(lambda: order.append("bob"), "bob")
        release.set()
        await asyncio.gather(*slow_work)
        workers.close()
        return order

    assert asyncio.run(run()) == ["bob"]


def test_cancelled_work_is_dropped_and_errors_reach_their_caller() -> None:
    async def run() -> list[str]:
        workers = Workers("cakes to be baked", 1, max_requests=8)
        started, release = threading.Event(), threading.Event()
        done: list[str] = []

        def first() -> None:
            started.set()
            assert release.wait(TIMEOUT_SECONDS)
            raise ValueError("burnt")

        tasks = [asyncio.create_task(workers.run(first, "ann"))]
        await asyncio.to_thread(started.wait)
        tasks += [asyncio.create_task(workers.run(lambda i=i: done.append(f"{i}"), "ann")) for i in range(2)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        release.set()
        with pytest.raises(ValueError, match="burnt"):
            await tasks[0]
        await tasks[2]
        workers.close()
        return done

    assert asyncio.run(run()) == ["1"]


def test_an_owner_waits_until_the_others_had_as_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of("lorify.serving.limits.sharing", monkeypatch)
    pace = Pace()
    pace.charge("ann", 2, num_owners=4)
    assert not pace.may_start("ann") and pace.may_start("bob")
    clock.now += 5.9
    assert not pace.may_start("ann")
    clock.now += 0.2
    assert pace.may_start("ann")
    pace.charge("ann", 2, num_owners=1)
    assert pace.may_start("ann"), "there is nobody to wait for"


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_work_on_documents_leaves_the_processor_to_answers() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def main() -> list[int]:
        workers = [Workers("work", 1, 8, answers_first=first) for first in (True, False)]
        priorities = [await each.run(priority, "ann") for each in workers]
        for each in workers:
            each.close()
        return priorities

    assert asyncio.run(main()) == [priority() + NICENESS, priority()]


def test_an_owner_may_be_held_to_one_thread() -> None:
    async def main() -> list[str]:
        workers = Workers("work", 2, 8, max_owner_threads=1)
        go_on = threading.Event()
        ended: list[str] = []

        async def work(owner: str, call: Callable[[], object]) -> None:
            await workers.run(call, owner)
            ended.append(owner)

        long = [asyncio.create_task(work("ann", lambda: go_on.wait(TIMEOUT_SECONDS))) for _ in range(2)]
        await work("bob", lambda: None)
        go_on.set()
        await asyncio.gather(*long)
        workers.close()
        return ended

    assert asyncio.run(main()) == ["bob", "ann", "ann"]
