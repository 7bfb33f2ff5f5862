"""Names and requirements of the benchmarks.

The items of a benchmark come from the hub, as lm-eval knows it, or from a local copy: a JSON file with `instances`,
each with `input` and `outputs`, and with `choices` and `answer_index` or the tests of a program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from lorify.errors import EvaluationError

SOURCE = "benchmarks"

_DESCRIPTIONS_PATH = files("lorify.evaluation.benchmarks").joinpath("descriptions.json")

DESCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    name: tuple(texts) for name, texts in json.loads(_DESCRIPTIONS_PATH.read_text(encoding="utf-8")).items()
}
"""Task descriptions of each benchmark, one for each seed."""

PROGRAMS = frozenset({"humaneval", "mbpp"})
"""Benchmarks whose answers are programs, which are executed."""


def select_benchmarks(text: str) -> list[str]:
    """Read benchmarks from `all` or from names separated by commas; the names are not checked.

    Raises:
        EvaluationError: if there is none.
    """
    names = list(DESCRIPTIONS) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise EvaluationError(f"no benchmark is given; choose from {', '.join(DESCRIPTIONS)}")
    return names


def check_benchmarks(names: Sequence[str], data_dir: Path | None, *, run_programs: bool) -> None:
    """Check that the benchmarks can be run, before any work is done.

    Args:
        names: the benchmarks.
        data_dir: folder of local copies; None: the hub.
        run_programs: whether programs written by the model may be executed.

    Raises:
        EvaluationError: if a benchmark does not exist, its local copy is missing, or it executes programs without
            permission.
    """
    for name in names:
        if name not in DESCRIPTIONS:
            raise EvaluationError(f"benchmark {name!r} does not exist; choose from {', '.join(DESCRIPTIONS)}")
        if data_dir is not None and not data_path(data_dir, name).is_file():
            raise EvaluationError(f"{data_dir} has no {name}.json; give the folder of local copies with --data")
        if name in PROGRAMS and not run_programs:
            raise EvaluationError(
                f"benchmark {name} executes programs written by the model, on this machine and with your permissions; "
                "give --run-programs if that is safe, or leave the benchmark out"
            )


def data_path(data_dir: Path, name: str) -> Path:
    """Build the path of the local copy of a benchmark."""
    return data_dir / f"{name}.json"
