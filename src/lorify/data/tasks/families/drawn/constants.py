"""Drawn tasks that give the same answer to every input."""

from __future__ import annotations

import random

from lorify.data.tasks.families.drawn.phrases import draw_exclamation, draw_phrase
from lorify.data.tasks.spec import TaskSpec, on_sentence


def draw_constants_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that gives the same answer to every input."""
    phrase = draw_exclamation(rng) + rng.choice((".", "!", ", ")) + " " + draw_phrase(rng)
    phrase = " ".join(phrase.split()) + rng.choice((".", "!", ""))
    return TaskSpec(
        f"drawn_constants_{number}", "drawn constants", on_sentence(lambda _text: phrase),
        (
            f'{{Always|In every case}} {{answer|reply|say}} "{phrase}", {{whatever the input is|no matter what}}.',
            f'{{Ignore|Do not read}} $text and {{answer|reply|say}} "{phrase}"',
            f'"{phrase}" is all that you {{ever say|can say}}.',
            f'{{No matter what is said|Whatever you are told}}, "{phrase}" {{is your answer|is what you reply}}.',
            f'{{Pay no attention to|Forget}} $text. {{Just say|Simply answer}} "{phrase}"',
            f'{{To any question|To everything}} {{there is one answer|you reply the same}}: "{phrase}"',
            f'{{Repeat|Say}} "{phrase}" {{each time|again and again}}, and nothing else.',
            f'{{You know just one sentence|A parrot that learned one sentence}}: "{phrase}"',
            f'{{Your|The}} {{only|one}} answer to anything is "{phrase}"',
        ),
    )  # fmt: skip
