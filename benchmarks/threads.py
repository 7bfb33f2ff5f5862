"""Internalizing and answering alone, beside busy processes and under a CPU quota, with OpenMP's settings and lorify's.

    python benchmarks/threads.py
    python benchmarks/threads.py --rounds 5 --busy 2

Each measurement is a process of its own, as OpenMP reads its settings once. The settings take turns, so that whatever
else the machine does slows both. The quota needs a cgroup (version 1 or 2) that this user may create, and is left out
without one. The ratios are what to read: under a load of one busy process a core, twice as long as alone is fair.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DOCUMENT_PATH = Path(__file__).parent.parent / "demo" / "harbour-museum.md"
PERIOD = 100_000  # microseconds
SETTINGS = ("OpenMP's", "lorify's")


def main() -> None:
    parser = argparse.ArgumentParser(description="Times under load and under a quota, as ratios to those alone.")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each setting and condition")
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="busy processes beside lorify")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before; median seconds of {options.rounds} processes")
    alone = compare(options.rounds, None)
    show("alone", alone, alone)
    with busy_processes(options.busy):
        show(f"beside {options.busy} busy processes", compare(options.rounds, None), alone)
    with quota_group(1.0) as group:
        if group is None:
            print("quota of 1 CPU: this user may not create a cgroup")
        else:
            show("quota of 1 CPU", compare(options.rounds, group), alone)


def measure() -> None:
    """Print the seconds to internalize a page and to answer with 48 tokens."""
    import lorify

    model = lorify.load()
    question = "Tell me about the harbour."
    adapter = model.internalize(DOCUMENT_PATH)
    model.ask(question, adapter, only_if_relevant=False, max_new_tokens=4)
    started = time.perf_counter()
    model.internalize(DOCUMENT_PATH)
    internalized = time.perf_counter()
    model.ask(question, adapter, only_if_relevant=False, max_new_tokens=48)
    print(internalized - started, time.perf_counter() - internalized)


def compare(rounds: int, group: Path | None) -> dict[str, list[float]]:
    """The median seconds to internalize and to answer with each of the settings."""
    found: dict[str, list[list[float]]] = {name: [] for name in SETTINGS}
    for _ in range(rounds):
        for name in SETTINGS:
            found[name].append(run(name, group))
    return {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}


def run(setting: str, group: Path | None) -> list[float]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}

    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    launcher = (
        "import os, runpy, sys; sys.argv = [sys.argv[1], '--measure']; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    if setting == "lorify's":
        launcher = "from lorify.threads import configure_threads; configure_threads(); " + launcher
    result = subprocess.run(
        [sys.executable, "-c", launcher, __file__],
        env=environment,
        preexec_fn=join if group is not None else None,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(value) for value in result.stdout.split()]


def show(condition: str, found: dict[str, list[float]], alone: dict[str, list[float]]) -> None:
    for name, seconds in found.items():
        ratios = [s / a for s, a in zip(seconds, alone[name], strict=True)]
        print(
            f"{condition:<28} {name:<9} settings: internalize {seconds[0]:6.2f} s ({ratios[0]:.2f} of alone), "
            f"answer {seconds[1]:6.2f} s ({ratios[1]:.2f})"
        )


@contextlib.contextmanager
def busy_processes(number: int) -> Iterator[None]:
    """Run processes that compute without end."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextlib.contextmanager
def quota_group(cpus: float) -> Iterator[Path | None]:
    """Create a cgroup with a CPU quota below that of this process; None if that is not possible."""
    version_1 = Path("/sys/fs/cgroup/cpu")
    folder = (version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")) / f"lorify-benchmark-{os.getpid()}"
    try:
        folder.mkdir()
        if version_1.is_dir():
            (folder / "cpu.cfs_quota_us").write_text(str(int(cpus * PERIOD)))
        else:
            (folder / "cpu.max").write_text(f"{int(cpus * PERIOD)} {PERIOD}")
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        yield None
        return
    try:
        yield folder
    finally:
        folder.rmdir()


if __name__ == "__main__":
    main()
