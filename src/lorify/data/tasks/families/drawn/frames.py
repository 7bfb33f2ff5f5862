"""Tasks on sentences with a gap to fill or a word to replace."""

from __future__ import annotations

import random

from lorify.data.tasks import words
from lorify.data.tasks.families.drawn.phrases import draw_phrase
from lorify.data.tasks.spec import TaskSpec
from lorify.data.text import capitalize_first


def draw_frames_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that fills the gap of a sentence."""
    frame = _draw_frame(rng)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        word = draw.choice(draw.choice([*words.CATEGORIES.values(), words.ITEMS, words.SUBJECTS]))
        return word, frame.replace("...", word)

    return TaskSpec(
        f"drawn_frames_{number}", "drawn frames", draw_instance,
        (
            f'{{Put|Write|Set}} the word {{in place of the dots|where the dots are}}: "{frame}"',
            f'{{Fill in|Complete}} "{frame}" with {{the word|the input|what you get}}.',
            f'{{Use|Take}} the word in the sentence "{frame}"',
            f'{{What you get|The word}} {{belongs|goes}} where the dots are: "{frame}"',
            f'"{frame}" {{lacks|is missing}} a word: {{it is the one you get|insert the input}}.',
            f'{{Make|Build}} a sentence of {{the word|what you get}}, {{on the model of|like}} "{frame}"',
            f'{{Replace|Exchange}} the dots in "{frame}" {{by|with}} the word.',
            f'"{frame}": {{the dots are the word|write it with the word}}.',
            f'{{Say|Answer}} "{frame}", where ... {{is|stands for}} the input.',
        ),
    )  # fmt: skip


def _draw_frame(rng: random.Random) -> str:
    return rng.choice(
        (
            f"I would like a ... from {rng.choice(words.CITIES)}",
            f"{rng.choice(words.FIRST_NAMES)} sold the ... on {rng.choice(words.DAYS)}",
            f"Where is my {rng.choice(words.COLOURS)} ...?",
            f"The {rng.choice(words.JOBS)} asked about the ...",
            f"A ... is not a {rng.choice(words.ITEMS)}",
            f"Every {rng.choice(words.SUBJECTS)} knows the word ...",
            f"{draw_phrase(rng)}, here comes the ...!",
            f"In {rng.choice(words.MONTHS)} we talk about the ...",
        )
    )


def draw_exchanges_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that replaces one word of a sentence."""
    position, part_name = rng.choice(((0, "the name of the person"), (1, "the verb"), (2, "the thing at the end")))
    phrase = draw_phrase(rng)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        tokens = [draw.choice(words.FIRST_NAMES), draw.choice(words.VERBS), draw.choice(words.ITEMS)]
        new_tokens = [*tokens[:position], phrase, *tokens[position + 1 :]]
        return "{} {} the {}".format(*tokens), "{} {} the {}".format(*new_tokens)

    return TaskSpec(
        f"drawn_exchanges_{number}", "drawn exchanges", draw_instance,
        (
            f'{{Replace|Exchange|Swap}} {part_name} {{by|with}} "{phrase}".',
            f'$copy $text with "{phrase}" {{in place of|instead of}} {part_name}.',
            f'{{Change|Turn}} {part_name} {{in|of}} $text into "{phrase}".',
            f'{{In place of|Instead of}} {part_name}, {{write|say|put}} "{phrase}".',
            f'{{Where|In the spot where}} $text has {part_name}, {{you write|there shall be}} "{phrase}"',
            f'{{Take out|Remove}} {part_name} and {{put|insert}} "{phrase}" {{there|instead}}.',
            f'{capitalize_first(part_name)} {{becomes|turns into|is now}} "{phrase}"; {{the rest|all else}} stays.',
            f'{{Leave|Keep}} all as it is but {part_name}, {{which is to be|that becomes}} "{phrase}"',
            f'"{phrase}" {{should stand|belongs}} where {part_name} is now.',
        ),
    )  # fmt: skip
