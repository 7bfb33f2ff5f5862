"""How many threads a process may use, and how they wait. Nothing here loads torch.

PyTorch starts one thread for each core of the host, whatever share of it a container may use. OpenMP threads that wait
for work spin for milliseconds, which takes the time of other processes and, on busy cores, of the thread they wait for.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

SPIN_COUNT = 10_000
"""How often a waiting thread checks for work before it sleeps, tenths of a millisecond: longer than the gap between two
layers in decoding, shorter than the time slice of another process. OpenMP's own default is 300,000."""

_ROOT = Path("/")


def available_cpus(root: Path = _ROOT) -> int:
    """Return the number of CPUs this process may use: its affinity, limited by the CPU quota of its cgroups.

    A fraction of a CPU counts as a whole one.

    Args:
        root: folder that holds `proc` and `sys`; another one in tests.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *map(math.ceil, _quotas(root))]))


def configure_threads(
    num_threads: int | None = None, environment: MutableMapping[str, str] = os.environ, root: Path = _ROOT
) -> None:
    """Set the environment variables that OpenMP reads when torch is loaded; call it before.

    Variables that are set already are kept, except the number of threads if `num_threads` is given.

    Args:
        num_threads: number of threads; None for one per available CPU.
        environment: the variables to set.
        root: as for `available_cpus`.
    """
    if num_threads is not None:
        environment["OMP_NUM_THREADS"] = str(num_threads)
    environment.setdefault("OMP_NUM_THREADS", str(available_cpus(root)))
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))  # GNU OpenMP, of PyTorch on Linux
        environment.setdefault("KMP_BLOCKTIME", "0")  # LLVM's and Intel's OpenMP, in milliseconds


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU quotas, in CPUs, of the cgroups of this process and of those around them (versions 1 and 2)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            mounts, read = ("sys/fs/cgroup", "sys/fs/cgroup/unified"), _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, read = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"), _quota_v1
        else:
            continue
        relative = Path(path.lstrip("/"))
        for mount in mounts:
            # In a container this may be the path on the host, and only the mount itself is visible.
            for folder in {root / mount / part for part in (relative, *relative.parents)}:
                quota = read(folder)
                if quota is not None:
                    yield quota


def _quota_v2(folder: Path) -> float | None:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
    except OSError:
        return None
    return None if limit == "max" else int(limit) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except OSError:
        return None
    return None if limit < 0 else limit / period
