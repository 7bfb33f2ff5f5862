"""Threads follow affinity and cgroup quota, and waiting ones sleep, unless the user says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lorify.threads import available_cpus, configure_threads


def fake_root(tmp_path: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A file system with `/proc/self/cgroup` and the given files under `/sys/fs/cgroup`."""
    for name, content in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 16),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/docker/8f\n", {"cpu.max": "200000 100000\n"}, 2),  # the path is the host's
        ("3:cpuset:/\n2:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("2:cpu:/pod\n", {"cpu/pod/cpu.cfs_quota_us": "500000", "cpu/pod/cpu.cfs_period_us": "100000"}, 5),
    ],
)
def test_the_smallest_quota_counts(cgroup: str, files: dict[str, str], expected: int, tmp_path: Path) -> None:
    assert available_cpus(fake_root(tmp_path, cgroup, files)) == expected


@pytest.mark.usefixtures("many_cores")
def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == 16


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("num_threads", "before", "expected"), [(None, {}, "16"), (3, {}, "3"), (None, {"OMP_NUM_THREADS": "5"}, "5")]
)
def test_number_of_threads(num_threads: int | None, before: dict[str, str], expected: str, tmp_path: Path) -> None:
    environment = dict(before)
    configure_threads(num_threads, environment, tmp_path)
    assert environment["OMP_NUM_THREADS"] == expected


def test_the_option_overrides_the_environment(tmp_path: Path) -> None:
    environment = {"OMP_NUM_THREADS": "5"}
    configure_threads(2, environment, tmp_path)
    assert environment["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize("chosen", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_waiting_as_the_user_chose_is_kept(chosen: dict[str, str], tmp_path: Path) -> None:
    environment = dict(chosen)
    configure_threads(1, environment, tmp_path)
    assert {name: environment.get(name) for name in chosen} == chosen
    assert ("GOMP_SPINCOUNT" in environment) == ("GOMP_SPINCOUNT" in chosen)


def run_and_print(code: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    program = f"import sys\n{code}"
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


PRINT_VARIABLES = "import os; print(sorted(k for k in os.environ if k.startswith(('OMP_', 'GOMP_', 'KMP_'))))"


def test_importing_lorify_sets_nothing() -> None:
    assert run_and_print(f"import lorify, lorify.cli, lorify.threads; {PRINT_VARIABLES}") == "[]"


def test_the_command_line_sets_them() -> None:
    code = (
        "import os; from typer.testing import CliRunner; from lorify.cli import app\n"
        "assert 'torch' not in sys.modules\n"  # which reads the variables when it is loaded
        "result = CliRunner().invoke(app, ['--threads', '3', 'serve', '--defaults'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    assert run_and_print(code) == "3"
