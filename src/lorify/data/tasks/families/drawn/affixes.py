"""Drawn tasks that write a phrase before or after a sentence."""

from __future__ import annotations

import random

from lorify.data.tasks.families.drawn.phrases import attach, draw_phrase
from lorify.data.tasks.spec import TaskSpec, on_sentence


def draw_affixes_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that writes a phrase before or after a sentence."""
    phrase, before = draw_phrase(rng), rng.random() < 0.5
    separator = rng.choice((": ", ", ", " - ", " ")) if before else rng.choice((", ", " - ", " ", " ... "))
    shown = attach("", phrase, separator, before=before).strip()
    draw_instance = on_sentence(lambda text: attach(text, phrase, separator, before=before))
    if before:
        return TaskSpec(f"drawn_affixes_{number}", "drawn affixes: before", draw_instance, _prefix_templates(shown))
    return TaskSpec(f"drawn_affixes_{number}", "drawn affixes: after", draw_instance, _suffix_templates(shown))


def _prefix_templates(shown: str) -> tuple[str, ...]:
    return (
        f'$copy $text, but {{begin|start|open}} with "{shown}"',
        f'{{Put|Write|Add}} "{shown}" {{before|in front of}} $text.',
        f'{{First|At the beginning}} say "{shown}", then $text.',
        f'"{shown}" {{comes first|goes first|stands at the beginning}}, then $text.',
        f'{{What you say has to|Every answer must}} {{begin|start}} with "{shown}" and go on with $text.',
        f'{{Let|Have}} $text {{follow|come after}} "{shown}"',
        f'{{Use|Take}} "{shown}" as the {{opening|beginning|prefix}} of $text.',
        f'{{Answer|Reply}} like this: "{shown} ...", with $text for the dots.',
        f'In front of $text {{we need|there should be}} "{shown}"',
        f'{{Prefix|Precede}} $text with "{shown}"',
    )


def _suffix_templates(shown: str) -> tuple[str, ...]:
    return (
        f'$copy $text and {{end|finish|close}} with "{shown}"',
        f'{{Put|Write|Add}} "{shown}" {{after|at the end of|behind}} $text.',
        f'{{After|Behind}} $text, say "{shown}"',
        f'"{shown}" {{comes last|goes to the end|stands at the end}}, after $text.',
        f'{{What you say has to|Every answer must}} {{end|finish}} with "{shown}", after $text.',
        f'{{Let|Have}} "{shown}" {{follow|come after}} $text.',
        f'{{Use|Take}} "{shown}" as the {{close|ending|suffix}} of $text.',
        f'{{Answer|Reply}} like this: "... {shown}", with $text for the dots.',
        f'Behind $text {{we need|there should be}} "{shown}"',
        f'{{Append|Attach}} "{shown}" to $text.',
    )
