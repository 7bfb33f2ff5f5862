"""Functions whose calls are counted or held, and requests to the server's adapters that meet them."""

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import httpx2
from serving.running import RunningServer
from serving.waiting import TIMEOUT_SECONDS

from lorify.cancellation import CancelToken


class Counted:
    """A function that counts its calls."""

    def __init__(self, call: Callable) -> None:
        self._call = call
        self._called = threading.Condition()
        self.num_calls = 0

    def __call__(self, *args, **options):
        with self._called:
            self.num_calls += 1
            self._called.notify_all()
        return self._call(*args, **options)

    def wait_for_calls(self, number: int) -> None:
        with self._called:
            assert self._called.wait_for(lambda: self.num_calls >= number, TIMEOUT_SECONDS)


class Held(Counted):
    """A function whose calls wait until they are released."""

    def __init__(self, call: Callable) -> None:
        super().__init__(self._wait_and_call)
        self._held_call = call
        self._released = threading.Event()

    def _wait_and_call(self, *args, **options):
        assert self._released.wait(TIMEOUT_SECONDS)
        return self._held_call(*args, **options)

    def release(self) -> None:
        self._released.set()


def post_text(running: RunningServer, text: str, **options) -> httpx2.Response:
    return httpx2.post(f"{running.url}/v1/adapters", json={"text": text}, timeout=60, **options)


def send_and_hang_up(running: RunningServer, method: str, path: str, body: object, until: Callable[[], object]) -> None:
    """Send a request to /v1/adapters and disconnect once `until` returns."""
    content = json.dumps(body).encode()
    with socket.create_connection((httpx2.URL(running.url).host, httpx2.URL(running.url).port)) as connection:
        head = f"{method} /v1/adapters{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        until()


class EndlessInternalizing:
    """Stands in for `internalize` and `add` of an internalizer and takes a minute unless it is cancelled."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, *args: object) -> NoReturn:
        *_, cancel = args
        assert isinstance(cancel, CancelToken)
        self.begun.set()
        for _ in range(6000):
            cancel.raise_if_cancelled()
            time.sleep(0.01)
        raise AssertionError("nobody cancelled it")
