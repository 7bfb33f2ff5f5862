"""The split of Super-NaturalInstructions that Text-to-LoRA uses."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lorify.data.tasks.schema import Task


@cache
def sni_training_tasks() -> frozenset[int]:
    """Return the numbers of the 479 tasks of Super-NaturalInstructions that Text-to-LoRA trains on.

    They are the training tasks of Lots-of-LoRAs without those that overlap with the paper's ten benchmarks.

    Source: Text-to-LoRA (arXiv 2506.06105), appendix.
    """
    text = files("lorify.data.tasks").joinpath("tables/sni_training_tasks.txt").read_text(encoding="utf-8")
    return frozenset(map(int, text.split()))


def sni_number(task: Task) -> int | None:
    """Parse the number of a Super-NaturalInstructions task from its name (`task093_...`); None for others."""
    found = re.match(r"(?:sni_)?task(\d+)_", task.name)
    return int(found.group(1)) if found else None
