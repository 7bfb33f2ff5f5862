"""Runs the commands of a miniature path, two at a time, and continues an interrupted path.

A command waits for all earlier commands whose output it names. Its own output goes to a file in `logs`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

FINISHED_NAME = "finished.txt"
LOG_LINES = 15
"""Last lines of the log of a failed command that are shown."""


@dataclass(frozen=True)
class Finished:
    """A command that ended.

    Attributes:
        status: its exit status.
        seconds: wall time.
        cpu_seconds: CPU time, of its own processes too.
    """

    status: int
    seconds: float
    cpu_seconds: float


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`."""
    parser.add_argument("--workers", type=int, default=2, help="commands that run at a time, on one core each [2]")


def run_commands(commands: Sequence[Sequence[str]], output: Path, *, workers: int = 2) -> None:
    """Run commands of lorify and print the time that each takes; skip those that an earlier run finished.

    Args:
        commands: arguments of `lorify`.
        output: folder of the path, where the finished commands are listed in `finished.txt`.
        workers: commands that run at a time.

    Raises:
        SystemExit: if a command fails, after the commands that already run have ended.
    """
    record = output / FINISHED_NAME
    done = set(record.read_text(encoding="utf-8").splitlines()) if record.exists() else set()
    lines = [shlex.join(command) for command in commands]
    waiting = {i: _needed(commands, i) for i, line in enumerate(lines) if line not in done}
    running: dict[Future[Finished], int] = {}
    started, cpu_seconds, failed = time.perf_counter(), 0.0, None
    with ThreadPoolExecutor(workers) as pool:
        while (waiting and failed is None) or running:
            if failed is None:
                for i in _ready(waiting, running)[: workers - len(running)]:
                    del waiting[i]
                    print(f"[{i + 1}/{len(lines)}] $ lorify {lines[i]}", flush=True)
                    running[pool.submit(_run, commands[i], _log(output, i), workers)] = i
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                i, finished = running.pop(future), future.result()
                cpu_seconds += finished.cpu_seconds
                if finished.status:
                    failed = i
                    continue
                with record.open("a", encoding="utf-8") as file:
                    file.write(lines[i] + "\n")
                times = f"{finished.seconds:.0f} s, {finished.cpu_seconds:.0f} s of CPU time"
                print(f"[{i + 1}/{len(lines)}] {times}", flush=True)
    if failed is not None:
        shown = "\n".join(_log(output, failed).read_text(encoding="utf-8").splitlines()[-LOG_LINES:])
        raise SystemExit(f"{shown}\ncommand {failed + 1} failed: lorify {lines[failed]}; run this again to continue")
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes, {cpu_seconds / 60:.1f} of CPU time", flush=True)


def _needed(commands: Sequence[Sequence[str]], number: int) -> set[int]:
    """Earlier commands whose output a command names, or a folder that holds it."""
    named = [Path(path) for word in commands[number] for path in _paths(word)]
    earlier = ((i, _output(command)) for i, command in enumerate(commands[:number]))
    return {
        i
        for i, made in earlier
        if made is not None and any(made == path or made in path.parents or path in made.parents for path in named)
    }


def _paths(word: str) -> list[str]:
    """The paths in an argument such as `adapter:hypernetwork=runs/a/best:chunk_tokens=8192,oracle:path=runs/b`."""
    parts = word.replace(",", " ").replace(":", " ").replace("=", " ").split()
    return [part for part in parts if "/" in part]


def _output(command: Sequence[str]) -> Path | None:
    """What a command writes: its `-o`, or the run folder that `watch` adds its best checkpoint to."""
    if command[0] == "watch":
        return Path(command[1])
    return Path(command[command.index("-o") + 1]) if "-o" in command else None


def _ready(waiting: Mapping[int, set[int]], running: Mapping[Future[Finished], int]) -> list[int]:
    """Commands that need none of those that wait or run."""
    unfinished = {*waiting, *running.values()}
    return [i for i, needed in waiting.items() if not needed & unfinished]


def _run(command: Sequence[str], log: Path, workers: int) -> Finished:
    """Run a command of lorify with its share of the cores."""
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    started = time.perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "lorify", *command],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": threads, **os.environ},
        )
        _, status, usage = os.wait4(process.pid, 0)  # unlike `Popen.wait` it gives the CPU time
    process.returncode = os.waitstatus_to_exitcode(status)
    return Finished(process.returncode, time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def _log(output: Path, number: int) -> Path:
    return output / "logs" / f"{number + 1:02d}.txt"
