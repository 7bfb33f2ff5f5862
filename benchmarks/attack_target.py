"""The server that is attacked, seen from an attacker, who runs in a process of its own; no benchmark of its own."""

import json
import multiprocessing
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from urllib.parse import urlsplit

import httpx2

_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Target:
    """The attacked server, its keys, and what it answered."""

    url: str
    keys: dict[str, str]
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def model(self) -> str:
        # With a key that nobody attacks with: without one it may be refused after an attack.
        headers = self.headers(list(self.keys)[-1])
        return httpx2.get(f"{self.url}/health", headers=headers, timeout=60).json()["base"]

    def headers(self, name: str | None) -> dict[str, str]:
        kind = {"Content-Type": "application/json"}
        return kind if name is None else kind | {"Authorization": f"Bearer {self.keys[name]}"}

    def post(self, path: str, content: bytes, name: str | None = "eve") -> int:
        return self.request("POST", path, name, content)

    def request(self, method: str, path: str, name: str | None = "eve", content: bytes | None = None) -> int:
        try:
            # Without certificates, which an attacker would not load anew for each request either.
            with httpx2.Client(base_url=self.url, timeout=300, verify=False) as client:
                status = client.request(method, path, headers=self.headers(name), content=content).status_code
        except httpx2.TransportError:
            status = 0  # the connection was closed, which is an answer too
        self.statuses[status] += 1
        return status

    def adapter(self, text: str, name: str = "eve") -> str:
        """Post a document and return the model id of its adapter."""
        body = {"text": text, "name": "document"}
        response = httpx2.post(f"{self.url}/v1/adapters", json=body, headers=self.headers(name), timeout=300)
        return response.raise_for_status().json()["model"]

    def connect(self, sent: bytes) -> socket.socket:
        address = urlsplit(self.url)
        connection = socket.create_connection((address.hostname, address.port), timeout=30)
        try:
            connection.sendall(sent)
        except OSError:
            self.statuses[0] += 1
        return connection

    def head(self, path: str, length: int, name: str | None = "eve") -> bytes:
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
        lines += [f"{key}: {value}" for key, value in self.headers(name).items()]
        return "\r\n".join((*lines, "", "")).encode()


def chat(target: Target, text: str, **options: object) -> bytes:
    body = {"model": target.model, "messages": [{"role": "user", "content": text}], **options}
    return json.dumps(body).encode()


def at_once(number: int, call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(number) as pool:
        for done in [pool.submit(call) for _ in range(number)]:
            done.result()


Attack = Callable[[Target], object]


def start_attack(attack: Attack, target: Target, *, idle: bool) -> tuple[BaseProcess, Connection]:
    """Attack from another process; the connection gets the statuses of the answers, or the attacker's error.

    If `idle`, that process runs only when no other one wants to. The lowest niceness is not enough: each of an
    attacker's 40 threads counts, and together they took half of what a server on two cores had.
    """
    receiver, sender = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_run, args=(attack, target, idle, sender), daemon=True)
    process.start()
    sender.close()  # so that the receiver notices when the process ends
    return process, receiver


def answers(process: BaseProcess, receiver: Connection, seconds: float) -> Counter[int] | str:
    """Return the statuses of the answers that an attack got, or why it failed; end it after a time."""
    try:
        return receiver.recv() if receiver.poll(seconds) else f"it took more than {seconds:g} s"
    except EOFError:
        return "its process ended"
    finally:
        process.kill()
        process.join()


@contextmanager
def attacked(attack: Attack | None, target: Target, *, idle: bool) -> Iterator[None]:
    """Attack as long as the block runs; None: nobody does."""
    if attack is None:
        yield
        return
    process, _ = start_attack(attack, target, idle=idle)
    try:
        yield
        if not process.is_alive():
            raise SystemExit(f"{attack} ended by itself")
    finally:
        process.kill()
        process.join()


def _run(attack: Attack, target: Target, idle: bool, sender: Connection) -> None:
    if idle:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    try:
        attack(target)
    except Exception as error:
        sender.send(repr(error))
    else:
        sender.send(target.statuses)
