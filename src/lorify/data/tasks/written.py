"""Tasks written for training, as people would phrase them: classification, extraction, rewriting, formats.

Each has wordings in several people's style and instances from different areas of life. None is a task of a suite.
"""

from __future__ import annotations

from functools import cache

from lorify.data.tables import load_rows
from lorify.data.tasks.schema import Instance, Task

SOURCE = "written"


@cache
def written_tasks() -> tuple[Task, ...]:
    """Read the written tasks; each is its own family."""
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
