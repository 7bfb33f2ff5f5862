"""Runs the commands of a miniature path one after the other, and continues an interrupted path."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

FINISHED_NAME = "finished.txt"


def run_commands(commands: Sequence[Sequence[str]], output: Path) -> None:
    """Run commands of lorify and print the time that each takes; skip those that an earlier run finished.

    Args:
        commands: arguments of `lorify`.
        output: folder of the path, where the finished commands are listed in `finished.txt`.

    Raises:
        subprocess.CalledProcessError: if a command fails.
    """
    record = output / FINISHED_NAME
    finished = set(record.read_text(encoding="utf-8").splitlines()) if record.exists() else set()
    started = time.perf_counter()
    for command in commands:
        line = shlex.join(command)
        if line in finished:
            continue
        print("$ lorify", line, flush=True)
        before, used = time.perf_counter(), _cpu_seconds()
        subprocess.run([sys.executable, "-m", "lorify", *command], check=True)
        with record.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(f"  {time.perf_counter() - before:.0f} s, {_cpu_seconds() - used:.0f} s of CPU time", flush=True)
    print(f"{(time.perf_counter() - started) / 60:.1f} minutes, {_cpu_seconds() / 60:.1f} of CPU time", flush=True)


def _cpu_seconds() -> float:
    """CPU time of the commands so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
