"""Drawn tasks about the separators and single items of lists."""

from __future__ import annotations

import random

from lorify.data.tasks import words
from lorify.data.tasks.families.drawn.mark_names import draw_sign
from lorify.data.tasks.families.drawn.phrases import attach, draw_phrase
from lorify.data.tasks.spec import TaskSpec, on_list


def draw_separators_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that writes a list with another separator."""
    if rng.random() < 0.5:
        mark, name = draw_sign(rng)
        mark = rng.choice((mark, f" {mark} "))
        label = f'{name}, "{mark}",'
    else:
        word = rng.choice(words.ALL_WORDS)
        mark, label = f" {word} ", f'the word "{word}"'
    return TaskSpec(
        f"drawn_separators_{number}", "drawn separators", on_list(mark.join),
        (
            f"$write $list with {label} {{between them|in between|instead of commas}}.",
            f"{{Replace|Exchange}} {{every comma of the list|the commas between the words}} by {label} please.",
            f"{{Separate|Part}} $list by {label} and not by commas.",
            f"{{No commas|Not a single comma}}, but {label} {{should stand|has to be}} between the words.",
            f"{{Use|Take}} {label} to {{separate|divide|set apart}} $list.",
            f"{{Between two words there has to be|Any two words have}} {label} {{between them|in the middle}}.",
            f"{{Turn|Change}} {{each|every}} comma into {label}{{, the rest stays|}}.",
            f"{{The items|What is listed}} should be {{divided|kept apart}} by {label}",
            f"{{Join|Connect|Link}} $list by {label} as it is.",
        ),
    )  # fmt: skip


def draw_picks_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that picks an item of a list and writes a phrase before or after it."""
    position, index = rng.choice((("first", 0), ("second", 1), ("third", 2), ("last", -1), ("last but one", -2)))
    phrase, before = draw_phrase(rng), rng.random() < 0.5
    separator = rng.choice((": ", " ", ", ", " - ", "="))
    shown = attach("", phrase, separator, before=before).strip()
    around = f'"{shown}" {"before" if before else "after"} it'

    return TaskSpec(
        f"drawn_picks_{number}", "drawn picks",
        on_list(lambda items: attach(items[index], phrase, separator, before=before)),
        (
            f"$write the {position} of $list, with {around}.",
            f"{{Take|Choose|Pick}} the {position} item and {{put|write}} {around}.",
            f"{{What is|Which is}} the {position} item of the list? {{Answer|Reply}} with {around}.",
            f"{around}: that is {{what to write|the answer}} for the {position} item.",
            f"{{Find|Look for}} the {position} {{word|item|entry}}, then {{write|show}} it with {around}.",
            f"{{Only|Just}} the {position} one counts. {{Show|Give}} it with {around}.",
            f"{{Leave out|Drop}} all but the {position}; {around}.",
            f"{{From|Of}} $list, we want the {position}, and {around}.",
        ),
    )  # fmt: skip
