"""Descriptions inside longer text, as in detailed messages that people write."""

from __future__ import annotations

import random
from dataclasses import replace

from lorify.data.tasks.schema import Task

FRAMES = (
    "Hi there! My colleague has been ill since Monday, so I have to take over her part of the work this week. What I "
    "need from you is the following. {} If anything is unclear, do your best; I will look over the results tonight.",
    "Your role: you assist the editors of a small weekly paper. Your readers are people in the region who have little "
    "time. Your order for each text that comes in: {} Keep to this order for the whole conversation.",
    "We are building a small program that passes texts from our customers on to you, one after the other, and stores "
    "what comes back in a table. {} Nothing else belongs into the output, as the next step of the program would fail.",
    "I would be grateful for some help with a rather boring job that I have been putting off for weeks. {} I know that "
    "this sounds simple, but there are hundreds of them, and doing it by hand takes me whole evenings.",
)
"""Frames with about 45 tokens of text around a description; not used in training."""


def with_long_wordings(task: Task) -> Task:
    """Put every description of a task into one of the frames; a task always gets the same frames."""
    rng = random.Random(f"long/{task.name}")
    return replace(task, descriptions=tuple(rng.choice(FRAMES).replace("{}", text) for text in task.descriptions))
