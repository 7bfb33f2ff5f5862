"""lorify's cache folder and the subfolders that are built in it once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lorify.atomic import failure_reason
from lorify.errors import LorifyError


def cache_dir() -> Path:
    """Return where lorify caches converted models: `$LORIFY_CACHE`, else `lorify` in the user's cache folder."""
    chosen = os.environ.get("LORIFY_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lorify"


def build_cached_folder(
    folder: Path, fill: Callable[[Path], object], is_complete: Callable[[Path], bool], error: type[LorifyError]
) -> None:
    """Fill a folder under a temporary name and rename it; a killed process leaves nothing under the final name.

    Args:
        folder: the folder to build.
        fill: writes the files into the folder it is given.
        is_complete: whether a folder has all its files; another process may have built it in the meantime.
        error: class of the error to raise.

    Raises:
        LorifyError: of class `error`, if the folder cannot be written.
    """
    from safetensors import SafetensorError

    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        fill(temporary)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    except (OSError, SafetensorError) as cause:
        if is_complete(folder):
            return
        raise error(
            f"{folder} cannot be written ({failure_reason(cause)}); free 400 MB or set LORIFY_CACHE to another folder"
        ) from cause
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
