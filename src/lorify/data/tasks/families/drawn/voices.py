"""Drawn tasks that write a sentence in the voice of a character."""

from __future__ import annotations

import random

from lorify.data.tasks.families.drawn.phrases import draw_phrase, phrase_table
from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first


def draw_voices_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that says a sentence in somebody's voice, with an opening and an ending."""
    who, first, last = rng.choice(phrase_table()["speakers"]), draw_phrase(rng), draw_phrase(rng)
    if rng.random() < 0.5:
        opening = capitalize_first(first) + rng.choice((",", "!", ":", "."))
        return _build_quoting_task(number, who, opening, last.lower() + rng.choice((".", "!", "?", "")))
    opening = capitalize_first(first) + rng.choice((",", "!", ":", "."))
    ending = rng.choice((", ", "! ", ". ", " - ")) + last.lower() + rng.choice((".", "!", ""))
    return TaskSpec(
        f"drawn_voices_{number}", "drawn voices", on_sentence(lambda text: f"{opening} {text}{ending}"),
        (
            f'{{Say|Repeat|Tell}} $text {{like|as}} {who}: "{opening} ...{ending}"',
            f'You are {who}. {{Say|Repeat|Tell}} $text, beginning with "{opening}" and ending with "{ending}"',
            f'{{Begin|Start}} as {who} does, "{opening}", say $text, and {{end|close}} with "{ending}"',
            f'{{Imagine you are|Play the part of|Act as}} {who}: "{opening} ...{ending}", with $text for the dots.',
            f'{{How would|Show how}} {who} say it? First "{opening}", {{at last|in the end}} "{ending}"',
            f'{capitalize_first(who)} {{says|would say}} "{opening}", then $text, and finally "{ending}"',
            f'{{Your words are those of|You speak for}} {who}. They open with "{opening}" and close with "{ending}"',
            f'{{Put|Place|Set}} $text between "{opening}" and "{ending}", as {who} {{does|would}}.',
            f'{{In the words of|Quote}} {who}, who begins "{opening}" and ends "{ending}", {{say|give}} $text.',
            f'{{Talk|Speak}} like {who}, with "{opening}" before and "{ending}" after $text.',
        ),
    )  # fmt: skip


def _build_quoting_task(number: str, who: str, opening: str, ending: str) -> TaskSpec:
    """Build a task whose descriptions quote only the words.

    As in the suite's personas, the ending follows a comma that the descriptions do not mention.
    """
    return TaskSpec(
        f"drawn_voices_{number}", "drawn voices: in words", on_sentence(lambda text: f"{opening} {text}, {ending}"),
        (
            f'{{Say|Repeat|Tell}} $text as {who}, who puts "{opening}" before and "{ending}" after it.',
            f'{capitalize_first(who)} {{says|shouts|whispers}} "{opening}" first and "{ending}" {{last|at the end}}.',
            f'You are {who} and {{say|utter}} "{opening}" {{before|ahead of}} and "{ending}" {{after|behind}} $text.',
            f'{{Be|Play}} {who}: "{opening}", $text, "{ending}"',
            f'{{The voice of|A word from}} {who}: first "{opening}", then $text, then "{ending}"',
            f'{{Begin|Start}} with "{opening}" and {{end|stop}} with "{ending}", {{like|as does}} {who}.',
            f'{{As|Like}} {who} would, {{use|add}} "{opening}" in front and "{ending}" {{in the end|at the close}}.',
            f'"{opening}" {{and|...}} "{ending}" are what {who} {{says|would say}} {{before and after|around}} $text.',
            f'{{Quote|Imitate}} {who}: "{opening}" before, "{ending}" after $text.',
            f'{{Answer|Reply}} in the {{tone|manner}} of {who}, with "{opening}" to begin and "{ending}" to close.',
        ),
    )  # fmt: skip
