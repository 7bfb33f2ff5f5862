"""The task of rewriting follow-ups, to train the LoRA that does it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from lorify.data.follow_ups.generate import FollowUp, generate_follow_up
from lorify.data.follow_ups.prompt import follow_up_prompt
from lorify.data.follow_ups.published import load_follow_ups
from lorify.data.tasks.schema import Instance, Task

DEFINITION = "Rewrite the last question of a chat so that it can be understood without the turns before it."
NUM_PARTS = 3
"""Number of tasks that each source is divided into, so that a batch can contain several."""
NUM_GENERATED = 6000


def follow_up_tasks(path: Path | None, seed: int = 0) -> list[Task]:
    """Build the task of rewriting follow-ups in several parts.

    Args:
        path: follow-ups written by people, see `load_follow_ups`; half of the parts if given.
        seed: seed of the generated follow-ups.

    Raises:
        TrainingError: if the file cannot be read.
    """
    generated = [generate_follow_up(random.Random(f"{seed}/{number}")) for number in range(NUM_GENERATED)]
    parts = _parts("generated", generated)
    return parts if path is None else parts + _parts("written", load_follow_ups(path))


def _parts(source: str, follow_ups: Sequence[FollowUp]) -> list[Task]:
    return [
        Task(
            f"follow-ups {source} {number}",
            DEFINITION,
            (DEFINITION,),
            tuple(Instance(follow_up_prompt(f.turns, f.question), (f.alone,)) for f in follow_ups[number::NUM_PARTS]),
            "f1",
            source,
            "follow-ups",
        )
        for number in range(NUM_PARTS)
    ]
