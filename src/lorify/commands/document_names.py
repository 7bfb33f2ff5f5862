"""Names of the documents that a command reads: file names, or as much of their paths as tells them apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lorify.errors import ContextError

STANDARD_INPUT = "-"


def check_given_once(sources: Sequence[str]) -> None:
    """Refuse a file that is given twice, under whatever path.

    Raises:
        ContextError: if one is.
    """
    seen: set[str] = set()
    for source in sources:
        file = source if source == STANDARD_INPUT else os.path.realpath(source)
        if file in seen:
            shown = "standard input" if source == STANDARD_INPUT else f"document {source}"
            raise ContextError(f"{shown} is given twice; give it once")
        seen.add(file)


def path_names(sources: Sequence[str], known: Collection[str] = ()) -> dict[int, str]:
    """Return the names of those sources that their file names do not tell apart.

    Args:
        sources: different paths, or `-`.
        known: names of documents that are in the adapter already. A file that was named by its path there keeps that
            name when it is given alone, so that it is replaced.

    Returns:
        Index of a source -> the shortest end of its path that no other source has, such as `eu/policy.md`.
    """
    ends = {i: _ends(source) for i, source in enumerate(sources) if source != STANDARD_INPUT}
    uses = Counter(end for own in ends.values() for end in own)
    names: dict[int, str] = {}
    for i, own in ends.items():
        known_end = next((end for end in own[1:] if end in known), None)
        name = known_end or next((end for end in own if uses[end] == 1), own[0])
        if name != own[0]:
            names[i] = name
    return names


def _ends(source: str) -> list[str]:
    """The ends of a path, from the file name to the whole path."""
    # File names may be in a legacy encoding, but an adapter records them as text.
    path = Path(os.fsencode(os.path.abspath(source)).decode(errors="replace"))
    return [*_joined(path.parts[1:]), path.as_posix()]


def _joined(parts: Sequence[str]) -> Iterator[str]:
    for length in range(1, len(parts) + 1):
        yield "/".join(parts[-length:])
