"""Tasks that insert a mark into a sentence, or put marks around one of its words."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks.families.drawn.mark_names import bracket_signs, draw_enclosing_marks, draw_sign, signs
from lorify.data.tasks.spec import TaskSpec, on_sentence
from lorify.data.text import capitalize_first

_POSITIONS: tuple[tuple[str, Callable[[list[str], str], list[str]]], ...] = (
    ("at the beginning", lambda w, mark: [mark + w[0], *w[1:]]),
    ("after the first word", lambda w, mark: [w[0] + mark, *w[1:]]),
    ("at the end", lambda w, mark: [*w[:-1], w[-1] + mark]),
    ("before the last word", lambda w, mark: [*w[:-1], mark + w[-1]]),
    ("before the second word", lambda w, mark: [w[0], mark + w[1], *w[2:]]),
    ("after the second word", lambda w, mark: [w[0], w[1] + mark, *w[2:]]),
    ("in place of each space", lambda w, mark: [mark.join(w)]),
    ("after a space at the end", lambda w, mark: [*w, mark]),
    ("after every word", lambda w, mark: [word + mark for word in w]),
)


def draw_marks_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that inserts a mark at a position of a sentence."""
    kind = "brackets" if rng.random() < 0.5 else "signs"
    mark, name = draw_sign(rng, bracket_signs() if kind == "brackets" else signs())
    position, insert = rng.choice(_POSITIONS)
    return TaskSpec(
        f"drawn_marks_{number}", f"drawn marks: {kind}", on_sentence(lambda text: " ".join(insert(text.split(), mark))),
        (
            f"{{Put|Set|Write|Place}} {name} {position} of $text.",
            f"$copy $text with {name} {position}.",
            f"{capitalize_first(name)} {{belongs|goes|should stand}} {position}, $text stays.",
            f"{{Add|Insert}} {name} {position}{{ and change nothing else|}}.",
            f"{{Give|Return}} $text, with {name} {position}{{, please|}}.",
            f"{{We need|There has to be}} {name} {position}.",
            f"{{What would|Show how}} $text look like with {name} {position}{{?|}}",
            f"{{The answer is|You say}} $text, but {name} {{stands|is}} {position}.",
            f"{position.capitalize()}, {{write|put|add}} {name}.",
            f"{{Let|Have}} {name} {{be|stand}} {position}.",
        ),
    )  # fmt: skip


_WORD_POSITIONS = {"first": 0, "second": 1, "third": 2, "last": -1}


def draw_word_wrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that encloses one word of a sentence in marks."""
    left, right, name = draw_enclosing_marks(rng, allow_brackets=True)
    position, index = rng.choice(list(_WORD_POSITIONS.items()))

    def change(text: str) -> str:
        parts = text.split()
        parts[index] = f"{left}{parts[index]}{right}"
        return " ".join(parts)

    return TaskSpec(
        f"drawn_word_wrapping_{number}", "drawn marks: around a word", on_sentence(change),
        (
            f"{{Put|Set|Write|Place}} the {position} word of $text in {name}.",
            f"$copy $text with {name} around the {position} word.",
            f"{{Surround|Enclose|Wrap|Frame}} the {position} word {{with|by|in}} {name}.",
            f"{capitalize_first(name)} {{belong|go|should stand}} around the {position} word.",
            f"The {position} word {{needs|gets|has to be in}} {name}, {{the rest stays|leave the others}}.",
            f"{{Add|We need}} {name} {{on both sides of|around}} the {position} word.",
            f"{{How does|Show how}} $text look with its {position} word in {name}{{?|}}",
            f"{{Only|Just}} the {position} word {{stands|goes}} between {name}.",
            f"{{The answer is|You say}} $text, but its {position} word is in {name}.",
        ),
    )  # fmt: skip
