"""Waiting for something that another thread or process does."""

import asyncio
import time
from collections.abc import Callable

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], bool], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout_seconds:g} s"
        time.sleep(POLL_SECONDS)


async def until(condition: Callable[[], bool], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """`wait_until` for coroutines: the event loop goes on."""
    async with asyncio.timeout(timeout_seconds):
        while not condition():
            await asyncio.sleep(POLL_SECONDS)
