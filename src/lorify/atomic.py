"""Write files and folders atomically: under a temporary name in the same directory, then renamed.

Readers see the old version or the new one, never a partial one. An error or Ctrl-C leaves no temporary files behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lorify.errors import LorifyError, first_line

if TYPE_CHECKING:
    from torch import Tensor

DISK_FULL = "the disk is full"
"""What `failure_reason` returns for a full disk."""


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file written there replaces `path` if the `with` block ends without an error.

    Args:
        path: the file to write; missing parents are created.

    Raises:
        OSError: if the file cannot be written.
    """
    path = path.absolute()
    temporary = _temporary_sibling(path)
    with _created_parents(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path, owned: Collection[str], error: type[LorifyError]) -> Iterator[Path]:
    """Yield an empty temporary folder; it replaces `folder` if the `with` block ends without an error.

    An existing folder is replaced as a whole, and only if everything in it belongs to the caller.

    Args:
        folder: the folder to write; missing parents are created.
        owned: names of the files that may be replaced; a name that ends in `/` is a subfolder.
        error: class of the error for a folder that may not be replaced.

    Raises:
        LorifyError: of class `error`, if `folder` is a file or contains anything that is not in `owned`.
        OSError: if the folder cannot be written.
    """
    check_replaceable(folder, owned, error)
    folder = folder.resolve()
    temporary, old = _temporary_sibling(folder), _temporary_sibling(folder)
    with _created_parents(folder):
        try:
            temporary.mkdir()
            yield temporary
            if folder.exists():
                os.replace(folder, old)
            os.replace(temporary, folder)
        finally:
            # No portable system call swaps two folders. Undo an interruption between the two renames.
            if old.exists() and not folder.exists():
                os.replace(old, folder)
            shutil.rmtree(old, ignore_errors=True)
            shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(folder: Path, owned: Collection[str], error: type[LorifyError]) -> None:
    """Check that `replaced_folder` may replace a folder.

    Args:
        folder: the folder; it may be missing or empty.
        owned: names of the files that may be replaced; a name that ends in `/` is a subfolder.
        error: class of the error to raise.

    Raises:
        LorifyError: of class `error`, if `folder` is a file or contains anything that is not in `owned`.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise error(f"{folder} is a file; give a folder to write to")
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    foreign = [name for name in names if name not in owned]
    if foreign:
        raise error(f"folder {folder} contains {foreign[0]!r}, which lorify did not write; give a new or empty folder")


@contextmanager
def reported_write_errors(path: Path, error: type[LorifyError]) -> Iterator[None]:
    """Turn failed writes inside the `with` block into an error for the user.

    Args:
        path: the file or folder that is written, for the message.
        error: class of the error to raise.

    Raises:
        LorifyError: of class `error`, if the system refuses a write.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as cause:
        raise error(
            f"{path} cannot be written ({failure_reason(cause)}); choose a disk with space and a folder with write "
            "permission"
        ) from cause


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file.

    Args:
        tensors: contiguous CPU tensors that do not share memory.
        path: the file to write.
        metadata: entries for the file's header.
    """
    from safetensors.torch import save_file

    save_file(dict(tensors), path, metadata=metadata)
    apply_default_permissions(path)


def apply_default_permissions(path: Path) -> None:
    """Give a file the permissions of a newly created one; safetensors makes its files readable by the owner only."""
    probe = _temporary_sibling(path)
    probe.touch()
    path.chmod(stat.S_IMODE(probe.stat().st_mode))
    probe.unlink()


def failure_reason(error: BaseException) -> str:
    """Return in one line why a write failed; some libraries hide the system's error number."""
    full_disk = ("No space left", "disk is full")  # the system's words and SQLite's
    if getattr(error, "errno", None) == errno.ENOSPC or any(words in str(error) for words in full_disk):
        return DISK_FULL
    return getattr(error, "strerror", None) or first_line(error)


def _temporary_sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


@contextmanager
def _created_parents(path: Path) -> Iterator[None]:
    """Create the missing parents of `path`; remove them again if `path` does not exist at the end."""
    missing = [parent for parent in path.parents if not os.path.lexists(parent)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        if not path.exists():
            for parent in missing:
                with contextlib.suppress(OSError):
                    parent.rmdir()
