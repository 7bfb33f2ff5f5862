"""Topics of sentences and categories of nouns, with labels."""

from __future__ import annotations

import random

from lorify.data.tasks import words
from lorify.data.tasks.spec import TaskSpec, one_of


def draw_topics_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that recognizes two or three topics or categories, by their names or other labels."""
    has_texts = rng.random() < 0.5
    groups = words.TOPICS if has_texts else words.CATEGORIES
    chosen = rng.sample(list(groups), rng.choice((2, 3)))
    if rng.random() < 0.5:
        labels = dict(zip(chosen, chosen, strict=True))
        options = one_of(chosen)
    else:
        labels = dict(zip(chosen, rng.sample(words.ALL_WORDS, len(chosen)), strict=True))
        options = ", ".join(f'"{labels[name]}" for {name}' for name in chosen)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        name = draw.choice(chosen)
        return draw.choice(groups[name]).format(draw.choice(words.FIRST_NAMES)), labels[name]

    noun = "the topic" if has_texts else "the kind of thing"
    return TaskSpec(
        f"drawn_topics_{number}", f"drawn topics: {'texts' if has_texts else 'things'}", draw_instance,
        (
            f"{{Name|Give|Tell}} {noun}: {options}.",
            f"{{Sort|File|Classify}} {{the input|what you get}} by {noun}, {options}.",
            f"{{Which|What}} of these is it, {options}? {{Answer with one.|}}",
            f"{{I want|We need}} {noun} {{only|and no more}}: {options}.",
            f"{{Look at|Read}} {{the input|it}} and {{name|write}} {noun}, one of: {options}.",
            f"{{Put|Assign}} {{it|what comes}} {{in|to}} a group by {noun}: {options}.",
            f"{{The labels are|You may answer}} {options}. {{Choose|Decide}} by {noun}.",
            f"{{Would you say|Is it}} {options}?",
            f"{noun.capitalize()} {{decides|counts}}: {options}.",
        ),
        tuple(labels.values()),
    )  # fmt: skip
