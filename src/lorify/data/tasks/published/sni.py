"""The split of Super-NaturalInstructions that Text-to-LoRA uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.schema import Task
from lorify.errors import EvaluationError


@cache
def sni_training_tasks() -> frozenset[int]:
    """Return the numbers of the 479 Super-NaturalInstructions tasks that Text-to-LoRA trains on.

    They are the training tasks of Lots-of-LoRAs except tasks that overlap with the paper's ten benchmarks.

    Source: Text-to-LoRA (arXiv 2506.06105), appendix.
    """
    text = files("lorify.data.tasks").joinpath("tables/sni_training_tasks.txt").read_text(encoding="utf-8")
    return frozenset(map(int, text.split()))


def sni_number(task: Task) -> int | None:
    """Parse the number of a Super-NaturalInstructions task from its name (`task093_...`); None for others."""
    return parse_sni_number(task.name)


def parse_sni_number(name: str) -> int | None:
    """Parse the number in the name of a Super-NaturalInstructions task; None if it has no number."""
    found = re.match(r"(?:sni_)?task(\d+)_", name)
    return int(found.group(1)) if found else None


def select_sni_tasks(folder: Path, names: Sequence[str]) -> list[Task]:
    """Read Super-NaturalInstructions tasks from a folder of its files.

    Args:
        folder: the folder `tasks` of github.com/allenai/natural-instructions; other files in it are not read.
        names: names of the tasks, such as `task022_cosmosqa_passage_inappropriate_binary`.

    Raises:
        EvaluationError: if a task is missing, or its file is broken.
    """
    paths = {path.stem.removeprefix("sni_"): path for path in folder.rglob("*.json")}
    missing = [name for name in names if name not in paths]
    if missing:
        raise EvaluationError(
            f"{folder} lacks {len(missing)} of {len(names)} tasks, such as {missing[0]}.json; give the folder `tasks` "
            "of github.com/allenai/natural-instructions, or name fewer tasks"
        )
    return [replace(task, name=name) for name in names for task in load_tasks(paths[name])]
