"""Tasks on enclosing marks: remove them, replace them, name them, or find the enclosed word."""

from __future__ import annotations

import random

from lorify.data.tasks import words
from lorify.data.tasks.families.drawn.mark_names import draw_different_marks, draw_enclosing_marks
from lorify.data.tasks.spec import TaskSpec, one_of
from lorify.data.text import capitalize_first


def draw_unwrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that removes the marks around a sentence and keeps other marks inside or outside."""
    left, right, name = draw_enclosing_marks(rng, allow_brackets=True)
    kept_left, kept_right, kept_name = draw_different_marks(rng, left, right)
    position = rng.choice(("alone", "inside", "outside"))

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        text = words.draw_sentence(draw)
        if position == "alone":
            return f"{left}{text}{right}", text
        answer = f"{kept_left}{text}{kept_right}"
        if position == "inside":
            return f"{kept_left}{left}{text}{right}{kept_right}", answer
        return f"{left}{answer}{right}", answer

    if position == "alone":
        rest = "what is inside"
    else:
        rest = f"the {kept_name}" if kept_left == kept_right else "the other marks"
    return TaskSpec(
        f"drawn_unwrapping_{number}", "drawn marks: taken away", draw_instance,
        (
            f"{{Remove|Take away|Delete}} the {name} {{from|of}} $text.",
            f"$copy $text without {{the|its}} {name}.",
            f"{{Strip|Free}} $text of {name}{{ and keep {rest}|}}.",
            f"The {name} {{have to go|are to be left out}}, {rest} {{stays|is kept}}.",
            f"{{Leave out|Drop}} {{the|all}} {name}.",
            f"{{There are|You see}} {name} around it. {{Answer|Reply}} without them.",
            f"{{What is left|What remains}} {{if|when}} the {name} are taken off?",
            f"{{No|Without}} {name}, please, {{only|but}} {rest}.",
            f"{{The answer is|We want}} $text with the {name} {{removed|gone}}.",
        ),
    )  # fmt: skip


def draw_rewrapping_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that replaces the marks around a sentence."""
    left, right, name = draw_enclosing_marks(rng, allow_brackets=True)
    new_left, new_right, new_name = draw_different_marks(rng, left, right)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        text = words.draw_sentence(draw)
        return f"{left}{text}{right}", f"{new_left}{text}{new_right}"

    return TaskSpec(
        f"drawn_rewrapping_{number}", "drawn marks: exchanged", draw_instance,
        (
            f"{{Replace|Exchange}} the {name} {{by|with|for}} {new_name}.",
            f"{{Turn|Change|Convert}} the {name} into {new_name}.",
            f"{capitalize_first(new_name)} {{in place of|instead of}} the {name}.",
            f"$copy $text with {new_name} {{where the {name} are|and without the {name}}}.",
            f"{{What was in|Take what stands in}} {name} {{goes|comes}} {{in|into}} {new_name}.",
            f"{{Do not use|No}} {name}{{ any more|}}, {{use|but}} {new_name}.",
            f"{{Where there are|Instead of}} {name}, {{write|we want}} {new_name}.",
            f"$text has {name}; {{give|show}} it {{in|with}} {new_name}.",
            f"{{The answer is|You say}} {{what is inside of|the words between}} the {name}, in {new_name}.",
        ),
    )  # fmt: skip


def draw_inside_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that finds the word enclosed in certain marks; another word may be enclosed in other marks."""
    left, right, name = draw_enclosing_marks(rng, allow_brackets=True)
    other_left, other_right, _ = draw_enclosing_marks(rng, allow_brackets=True)
    has_distractor = (other_left, other_right) != (left, right) and rng.random() < 0.7

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        parts = words.draw_sentence(draw).split()
        index, distractor = draw.sample(range(len(parts)), 2)
        answer = parts[index]
        parts[index] = f"{left}{answer}{right}"
        if has_distractor:
            parts[distractor] = f"{other_left}{parts[distractor]}{other_right}"
        return " ".join(parts), answer

    return TaskSpec(
        f"drawn_inside_{number}", "drawn marks: inside", draw_instance,
        (
            f"$find {{what is|the word}} in {name}.",
            f"{{Which|What}} word {{stands|is}} {{in|between}} {name}?",
            f"$write {{what|the word that}} the {name} {{enclose|hold}}.",
            f"{{We want|I need}} the word {{in|inside}} the {name}, {{without them|nothing else}}.",
            f"{{Look for|Go to}} the {name}: {{what do they hold|what is inside}}?",
            f"{{A word is|One word stands}} in {name}. {{Say|Give}} it.",
            f"{capitalize_first(name)} {{mark|surround}} the answer.",
            f"{{Between|Inside}} the {name} {{stands|is}} {{what we want|the answer}}.",
            f"{{Ignore|Leave}} all but what is in {name}.",
        ),
    )  # fmt: skip


def draw_naming_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that names the marks around a sentence, out of three."""
    names: dict[tuple[str, str], str] = {}
    while len(names) < 3:
        left, right, name = draw_enclosing_marks(rng, allow_brackets=True)
        names.setdefault((left, right), name)
    listed = list(names.values())
    options = one_of(listed)

    def draw_instance(draw: random.Random) -> tuple[str, str]:
        (left, right), name = draw.choice(list(names.items()))
        return f"{left}{words.draw_sentence(draw)}{right}", name

    return TaskSpec(
        f"drawn_naming_{number}", "drawn marks: named", draw_instance,
        (
            f"{{What|Which marks}} {{stands|are}} around $text: {options}?",
            f"{{Name|Tell|Say}} what encloses $text, {options}.",
            f"{{Is|Do you see}} it in {options}?",
            f"{capitalize_first(options)}: which {{are there|do you find}}?",
            f"{{Look at|See}} both ends of $text and {{name|write}} the marks, {options}.",
            f"{{The answer is|You say}} {options}, whichever {{surround|enclose}} $text.",
            f"{{Sort|Classify}} $text by its marks: {options}.",
            f"{{What kind of|Which}} marks {{begin and end|frame}} $text? {{Choose|Pick}} from {options}.",
        ),
        tuple(listed),
    )  # fmt: skip
