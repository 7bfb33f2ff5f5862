"""Resources for building an objective: the run's folder, the base model, a progress bar."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lorify.base.model import BaseLM


@dataclass(frozen=True)
class Preparation:
    """Resources for building an objective.

    Attributes:
        run_dir: folder of the run, for results that a resumed run needs again; it may not exist yet.
        load_base: loads the base with a given name; call it after reading the data, so that bad data is refused
            immediately.
        counting: shows a progress bar: (activity, unit) -> a context whose value is called with the number of units
            done since the last call and the total.
    """

    run_dir: Path
    load_base: Callable[[str], BaseLM]
    counting: Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]
