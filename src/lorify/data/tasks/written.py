"""Tasks that were written for training, as people ask for them: classification, extraction, rewriting, formats.

Each has wordings of several people and instances of different areas of life. None of them is a task of a suite.
"""

from __future__ import annotations

from functools import cache

from lorify.data.tables import load_rows
from lorify.data.tasks.schema import Instance, Task

SOURCE = "written"


@cache
def written_tasks() -> tuple[Task, ...]:
    """Read the written tasks; each is a family of its own."""
    return tuple(map(_task, load_rows("lorify.data.tasks", "written_tasks")))


def _task(document: dict) -> Task:
    instances = tuple(Instance(row["input"], tuple(row["outputs"])) for row in document["instances"])
    return Task(
        name=f"{SOURCE}_{document['name']}",
        definition=document["definition"],
        descriptions=tuple(document["descriptions"]),
        instances=instances,
        metric="normalized",
        family=f"{SOURCE}/{document['name']}",
        source=SOURCE,
    )
