"""Tasks that write marks around a sentence, and phrases before or after it."""

from __future__ import annotations

from collections.abc import Callable

from lorify.data.tasks.spec import TaskSpec, form_templates, on_sentence
from lorify.data.text import capitalize_first

_PREFIXES = {
    "note": "Note: ",
    "reply": "Reply: ",
    "warning": "Warning: ",
    "arrow": "-> ",
    "question": "Q: ",
    "title": "Title: ",
}
_SUFFIXES = {
    "exclamation": "!",
    "please": ", please",
    "question_mark": "?",
    "dots": "...",
    "end": " THE END",
    "ok": ", ok?",
}


def wrapping_tasks() -> list[TaskSpec]:
    """Build tasks that enclose a sentence in marks that drawn families also use."""
    return _enclosing_tasks(
        "wrapping",
        [
            ("double_quotes", '"', '"', "double quotation marks"), ("single_quotes", "'", "'", "single quotes"),
            ("stars", "*", "*", "asterisks"), ("bold", "**", "**", "two asterisks for Markdown bold"),
            ("underscores", "_", "_", "underscores"), ("hashes", "# ", " #", "hash signs"),
            ("tildes", "~", "~", "tildes"), ("bars", "| ", " |", "vertical bars"),
        ],
        lambda label: (
            *form_templates("$text", f"in {label}"),
            f"{capitalize_first(label)} {{go|belong|come}} around $text.",
            f"{{Let|Have}} $text stand {{between|inside}} {label}.",
        ),
    )  # fmt: skip


def brackets_tasks() -> list[TaskSpec]:
    """Build tasks that enclose a sentence in brackets; an unseen family."""
    return _enclosing_tasks(
        "brackets",
        [
            ("round", "(", ")", "parentheses"), ("square", "[", "]", "square brackets"),
            ("angle", "<", ">", "angle brackets"), ("curly", "<<", ">>", "double angle brackets"),
            ("equals", "=", "=", "equals signs"),
        ],
    )  # fmt: skip


def affixes_tasks() -> list[TaskSpec]:
    """Build tasks that write a phrase before or after a sentence."""
    return [_prefix_task(*row) for row in _PREFIXES.items()] + [_suffix_task(*row) for row in _SUFFIXES.items()]


def _prefix_task(name: str, prefix: str) -> TaskSpec:
    shown = prefix.strip()
    return TaskSpec(
        f"affix_{name}",
        "affixes",
        on_sentence(lambda text: prefix + text),
        (
            f'$copy $text, but {{begin|start|open}} with "{shown}".',
            f'{{Put|Write|Add}} "{shown}" {{before|in front of}} $text.',
            f'{{We need|There has to be}} "{shown}" at the {{beginning|start}} of $text.',
            f'"{shown}" {{comes first|is the beginning}}, then $text.',
            f'{{The answer is|You say}} "{shown}" {{and then|followed by}} $text.',
            f'{{Let|Have}} $text {{follow|come after}} "{shown}".',
            f'{{Prefix|Precede}} $text with "{shown}".',
        ),
    )


def _suffix_task(name: str, suffix: str) -> TaskSpec:
    shown = suffix.strip(" ,")
    return TaskSpec(
        f"affix_{name}",
        "affixes",
        on_sentence(lambda text: text + suffix),
        (
            f'$copy $text and {{end|finish|close}} with "{shown}".',
            f'{{Put|Write|Add}} "{shown}" {{after|at the end of|behind}} $text.',
            f'{{We need|There has to be}} "{shown}" at the {{end|close}} of $text.',
            f'"{shown}" {{comes last|is the end}}, after $text.',
            f'{{The answer is|You say}} $text {{and then|followed by}} "{shown}".',
            f'{{Let|Have}} "{shown}" {{follow|come after}} $text.',
            f'{{Append|Attach}} "{shown}" to $text.',
        ),
    )


def _enclosing_tasks(
    family: str,
    rows: list[tuple[str, str, str, str]],
    more_templates: Callable[[str], tuple[str, ...]] = lambda _label: (),
) -> list[TaskSpec]:
    """Build tasks that enclose a sentence in two marks.

    Args:
        family: name of the family.
        rows: name of the task, left mark, right mark, and name of the marks.
        more_templates: further templates, given the name of the marks.
    """
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            on_sentence(lambda text, left=left, right=right: f"{left}{text}{right}"),
            (
                f"{{Put|Set|Write|Enclose}} $text in {label}.",
                f"$copy $text with {{{label} around it|{label} on both sides}}, like {left}this{right}.",
                *more_templates(label),
                f"{{Surround|Wrap}} $text with {label}{{ and change nothing else|}}.",
            ),
        )
        for name, left, right, label in rows
    ]
