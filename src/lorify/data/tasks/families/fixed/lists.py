"""Tasks on separators of lists, and on parts of lists, sentences and words."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawInstance, TaskSpec, form_templates, noun_phrase_templates, on_list, on_sentence
from lorify.data.text import capitalize_first

_SEPARATORS = (
    ("hyphens", "-", "hyphens"),
    ("slashes", " / ", "slashes"),
    ("semicolons", "; ", "semicolons"),
    ("plus", " + ", "plus signs"),
    ("and", " and ", 'the word "and"'),
    ("arrows", " > ", "greater-than signs"),
    ("spaces", " ", "single spaces"),
    ("pipes", " | ", "vertical bars"),
)
"""Name of the task, separator, and the separator's name."""
_NUMBERED_TEMPLATES = (
    "Number $list: {1., 2., 3.|each with its number and a dot}.",
    "$write $list as a numbered list.",
    "{Each item|Every word} {gets|has} its number and a dot before it.",
    *form_templates("$list", "as a list with numbers"),
    "{Enumerate|Count off} $list, with numbers before them.",
)
_BULLETS_TEMPLATES = (
    "$write $list as bullet points, one a line.",
    "{Make|Format} a bullet list {of|from} $list.",
    "{Bullet points|Lines with dashes}, one for {each|every} item.",
    *form_templates("$list", "as lines that begin with a dash"),
    "Every item {of the list|you get} goes on a line of its own {behind|after} a dash.",
)


def separators_tasks() -> list[TaskSpec]:
    """Build tasks that write a list with other separators, numbers or bullets."""
    numbered = on_list(lambda items: " ".join(f"{n}. {item}" for n, item in enumerate(items, 1)))
    bullets = on_list(lambda items: "\n".join(f"- {item}" for item in items))
    return [
        *(_separator_task(*row) for row in _SEPARATORS),
        TaskSpec("separator_numbered", "separators", numbered, _NUMBERED_TEMPLATES),
        TaskSpec("separator_bullets", "separators", bullets, _BULLETS_TEMPLATES),
    ]


def _separator_task(name: str, separator: str, label: str) -> TaskSpec:
    return TaskSpec(
        f"separator_{name}",
        "separators",
        on_list(separator.join),
        (
            f"$write $list with {label} {{between them|in between|instead of commas}}.",
            f"{{Replace|Exchange}} the commas {{of the list|between the words}} by {label}.",
            f"{{No commas|Not a comma}}, but {label} {{between the words|in between}}.",
            f"{{Use|Take}} {label} to {{separate|divide}} $list.",
            f"{capitalize_first(label)} {{should stand|go}} between the words.",
            *form_templates("$list", f"with {label} in between"),
            f"{{Join|Connect|Link}} $list by {label}.",
        ),
    )


def selection_tasks() -> list[TaskSpec]:
    """Build tasks that write one or more words of a sentence."""
    word = [("first", 0, "the opening word"), ("second", 1, "word number two"), ("last", -1, "the word it ends with")]
    rows = [
        (name, on_sentence(lambda t, index=index: t.split()[index]), f"the {name} word", paraphrase)
        for name, index, paraphrase in word
    ]
    rows += [
        ("longest", on_sentence(lambda t: max(t.split(), key=len)), "the longest word", "the word with most letters"),
        ("first_two", on_sentence(lambda t: " ".join(t.split()[:2])), "the first two words",
         "two words from its start"),
        ("but_first", on_sentence(lambda t: " ".join(t.split()[1:])), "everything but the first word",
         "all except the opening word"),
        ("but_last", on_sentence(lambda t: " ".join(t.split()[:-1])), "everything but the last word",
         "all except the final word"),
    ]  # fmt: skip
    return _part_tasks("selection", "$text", rows)


def lists_tasks() -> list[TaskSpec]:
    """Build tasks that write one or more items of a list, or another fact about it."""
    rows = [
        ("first", on_list(lambda x: x[0]), "the first item", "what comes first"),
        ("second", on_list(lambda x: x[1]), "the second item", "what comes second"),
        ("last", on_list(lambda x: x[-1]), "the last item", "what comes last"),
        ("reversed", on_list(lambda x: ", ".join(x[::-1]), 3, 4), "the reverse order", "the items from back to front"),
        ("sorted", on_list(lambda x: ", ".join(sorted(x)), 3, 4), "the alphabetical order", "the items from A to Z"),
        (
            "but_first",
            on_list(lambda x: ", ".join(x[1:])),
            "the rest, without the first item",
            "all but the first item",
        ),
        ("but_last", on_list(lambda x: ", ".join(x[:-1])), "the rest, without the last item", "all but the last item"),
        ("count", on_list(lambda x: str(len(x)), 2, 6), "the number of items", "how many items there are"),
        ("ends", on_list(lambda x: f"{x[0]}, {x[-1]}"), "the first and the last item", "both ends"),
    ]
    return _part_tasks("lists", "$list", rows)


def letters_tasks() -> list[TaskSpec]:
    """Build tasks that write letters of a word, or their number."""
    rows = [
        ("first", _on_noun(lambda w: w[0]), "the first letter", "the letter it starts with"),
        ("last", _on_noun(lambda w: w[-1]), "the last letter", "the letter it ends with"),
        ("spelled", _on_noun(lambda w: "-".join(w)), "the spelling, letter by letter with hyphens",
         "every letter, with hyphens between"),
        ("spaced", _on_noun(lambda w: " ".join(w)), "the letters, with spaces between",
         "its letters set apart by spaces"),
        ("count", _on_noun(lambda w: str(len(w))), "the number of letters", "how many letters it has"),
        ("upper_spelled", _on_noun(lambda w: " ".join(w.upper())), "the capital letters, one by one",
         "its letters as spaced capitals"),
    ]  # fmt: skip
    return _part_tasks("letters", "the {word|given word}", rows)


def _part_tasks(family: str, subject: str, rows: list[tuple[str, DrawInstance, str, str]]) -> list[TaskSpec]:
    """Build tasks that request a part of something.

    Args:
        family: name of the family.
        subject: the whole that the part belongs to.
        rows: name of the task, its instances, the part as a noun phrase, and a paraphrase of it.
    """
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            draw_instance,
            (f"$write $only {phrase} of {subject}.", f"{{What|Which}} is {phrase} of {subject}?",
             *noun_phrase_templates(phrase),
             f"{{From|Of}} {subject}, {{keep|give|name}} {paraphrase}."),
        )
        for name, draw_instance, phrase, paraphrase in rows
    ]  # fmt: skip


def _on_noun(change: Callable[[str], str]) -> DrawInstance:
    """Build instances of a random noun and the result of `change` for it."""

    def draw(rng: random.Random) -> tuple[str, str]:
        noun = words.draw_noun(rng)
        return noun, change(noun)

    return draw
