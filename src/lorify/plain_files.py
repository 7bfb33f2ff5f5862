"""Files of folders that may come from others: only plain files are read, and none that is larger than expected."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def expand_home(path: str | Path) -> Path:
    """Replace `~` at the beginning of a path by the home folder; one of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))


def open_plain_file(path: Path, max_bytes: int | None = None) -> BufferedReader:
    """Open a file to read it, if it is neither a link nor a device nor a pipe.

    A link can lead to any file of the machine, and a device can be read without end. The links of the Hugging Face
    cache, which lead from `snapshots/` to the files in `blobs/` beside it, are followed.

    Args:
        path: the file.
        max_bytes: limit on its size; None for no limit.

    Raises:
        OSError: if it is missing, not a plain file or too large; `strerror` says so.
    """
    try:
        descriptor = os.open(_cached_file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, expected the file itself", str(path)) from error
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a folder, device or pipe, expected a file", str(path))
        if max_bytes is not None and status.st_size > max_bytes:
            reason = f"it has {status.st_size:,} bytes, expected at most {max_bytes:,}"
            raise OSError(errno.EFBIG, reason, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain_file(path: Path, max_bytes: int | None = None) -> bytes:
    """Read a file; arguments and errors as for `open_plain_file`."""
    with open_plain_file(path, max_bytes) as file:
        return file.read()


def _cached_file(path: Path) -> Path:
    """Return the file in the Hugging Face cache that a link of a snapshot leads to; the path itself otherwise."""
    target = path.resolve()
    repository = target.parent.parent
    is_cached = target.parent.name == "blobs" and repository / "snapshots" in path.absolute().parents
    return target if is_cached and path.is_symlink() else path
