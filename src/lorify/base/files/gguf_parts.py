"""GGUF files in parts: `NAME.gguf.part00`, `NAME.gguf.part01`, and so on."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lorify.errors import BaseModelError

_PART = re.compile(r"(?P<name>.+\.gguf)\.part(?P<number>\d+)")


def is_first_part(path: Path) -> bool:
    """Return whether a path has the name of the first part of a GGUF file."""
    match = _PART.fullmatch(path.name)
    return match is not None and int(match["number"]) == 0


def find_parts(first: Path) -> list[Path]:
    """Find all parts of a GGUF file, in order.

    Args:
        first: path of the first part.

    Raises:
        BaseModelError: if a part between the first and the last is missing.
    """
    name = first.name.rpartition(".part")[0]
    numbered = {
        int(match["number"]): path
        for path in first.parent.iterdir()
        if (match := _PART.fullmatch(path.name)) and match["name"] == name
    }
    missing = [number for number in range(max(numbered)) if number not in numbered]
    if missing:
        raise BaseModelError(f"part {missing[0]} of {name} is missing in {first.parent}; download it again")
    return [numbered[number] for number in sorted(numbered)]


@contextmanager
def joined_file(parts: Sequence[Path]) -> Iterator[Path]:
    """Yield a file with the content of all parts, deleted at the end; a single part is yielded unchanged."""
    if len(parts) == 1:
        yield parts[0]
        return
    with tempfile.TemporaryDirectory(prefix="lorify-") as folder:
        joined = Path(folder) / parts[0].name.rpartition(".part")[0]
        with joined.open("wb") as target:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, target)
        yield joined
