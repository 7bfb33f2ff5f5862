"""What others notice of a server while it is attacked: the time of /health and the memory; no benchmark of its own."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx2
from kills import Server

MEGABYTE = 1 << 20
MEMORY_LIMIT_BYTES = 4 << 30


class Watch:
    """Asks for /health and reads the memory until it is left; above the limit it kills the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._measure)]
        self.slowest = 0.0
        self.peak = 0

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.1):
            started = time.perf_counter()
            try:
                httpx2.get(f"{self._server.url}/health", timeout=60, verify=False).raise_for_status()
            except httpx2.HTTPError:
                self.slowest = float("inf")
                return
            self.slowest = max(self.slowest, time.perf_counter() - started)

    def _measure(self) -> None:
        while not self._ended.wait(0.02):
            self.peak = max(self.peak, memory_bytes(self._server))
            if self.peak > MEMORY_LIMIT_BYTES:
                os.kill(self._server.process.pid, signal.SIGKILL)
                return


def memory_bytes(server: Server) -> int:
    """Memory of the server and of the processes that it started."""
    total = 0
    for pid in _processes(server):
        status = _read(f"/proc/{pid}/status")
        total += int(status.split("VmRSS:")[1].split()[0]) * 1024 if "VmRSS:" in status else 0
    return total


def cpu_seconds(server: Server) -> float:
    """CPU time that the server and the processes that it started have taken; those that ended count too."""
    total = 0
    for index, pid in enumerate(_processes(server)):
        numbers = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += sum(map(int, numbers[11:13] if index else numbers[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def _processes(server: Server) -> list[str]:
    """The server's process, and those it started."""
    children = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [str(server.process.pid), *(pid for file in children for pid in _read(file).split())]


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # the process has ended
        return ""
