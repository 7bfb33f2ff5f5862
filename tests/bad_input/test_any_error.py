"""Bad input through the command line: any error is one line."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from bad_input_helpers import Fail, run


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/somewhere/file"), "disk is full"),
        (RuntimeError("Error while serializing: No space left on device (os error 28)"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/somewhere/file"), "/somewhere/file"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "not enough memory",
        ),
        (IndexError("list index\nout of range"), "--debug"),
    ],
)
def test_any_error_is_one_line(
    error: Exception, expected: str, adapter_dir: Path, monkeypatch: pytest.MonkeyPatch, fail: Fail
) -> None:
    def broken(_folder: Path) -> None:
        raise error

    monkeypatch.setattr("lorify.adapters.storage.load_adapter", broken)
    assert expected in fail("adapter", "show", adapter_dir)
    result = run("--debug", "adapter", "show", adapter_dir)
    assert result.exception is error


def test_the_installed_command_exits_with_code_2_and_one_line(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("lorify")), "adapter", "show", str(tmp_path / "absent")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("error: ")
    assert "\x1b" not in result.stderr
