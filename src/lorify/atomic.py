"""Files and folders that are written beside their place and renamed into it.

Readers see the old one or the new one, never half of one, and neither an error nor Ctrl-C leaves anything else behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

DISK_FULL = "the disk is full"
"""What `refusal` says of one."""


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is there takes the place of `path` when the `with` block ends without an error.

    Args:
        path: the place; missing parents are made.
    """
    path = path.absolute()
    temporary = _beside(path)
    with _made_parents(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `folder` when the `with` block ends without an error.

    Args:
        folder: the place; an earlier folder there goes as a whole, missing parents are made.
    """
    folder = folder.resolve()
    temporary, old = _beside(folder), _beside(folder)
    with _made_parents(folder):
        try:
            temporary.mkdir()
            yield temporary
            if folder.exists():
                os.replace(folder, old)
            os.replace(temporary, folder)
        finally:
            # No system call exchanges two folders everywhere; what stops us between the two is undone here.
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            shutil.rmtree(old, ignore_errors=True)
            shutil.rmtree(temporary, ignore_errors=True)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file.

    Args:
        tensors: contiguous ones in the processor's memory, none of which overlap.
        path: where to.
        metadata: what the file's header says besides.
    """
    from safetensors.torch import save_file

    save_file(dict(tensors), path, metadata=metadata)
    as_any_new_file(path)


def as_any_new_file(path: Path) -> None:
    """Give a file the permissions of any new one; safetensors keeps those that it writes to their owner."""
    probe = _beside(path)
    probe.touch()
    path.chmod(stat.S_IMODE(probe.stat().st_mode))
    probe.unlink()


def refusal(error: BaseException) -> str:
    """Why the system refused a write; libraries that write files themselves hide the number of the error."""
    told = ("No space left", "disk is full")  # the latter is SQLite's
    if getattr(error, "errno", None) == errno.ENOSPC or any(words in str(error) for words in told):
        return DISK_FULL
    return getattr(error, "strerror", None) or (str(error).strip().splitlines() or ["no reason given"])[0]


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


@contextmanager
def _made_parents(path: Path) -> Iterator[None]:
    """Make what is missing on the way to `path`, and unmake it if `path` does not come to be."""
    missing = [parent for parent in path.parents if not os.path.lexists(parent)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        if not path.exists():
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()
