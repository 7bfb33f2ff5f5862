"""Prompts that are unrelated to any document; an adapter must not change the base's answers to them.

The prompts are in `general_prompts.txt`, under headings that start with `=`: evaluation prompts, training prompts, and
templates for more training prompts (`= template: FORM | FORM ...`, then the fills, separated by `;`, with ` / ` between
the parts of one fill). Many are short factual questions, which look like questions about a document.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _sections() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Headings, without the `=`, and the lines under each."""
    text = files("lorify.data.sources").joinpath("general_prompts.txt").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in text.removeprefix("= ").split("\n= ")]
    return tuple((heading, tuple(line for line in lines if line)) for heading, *lines in blocks)


def _lines(heading: str) -> tuple[str, ...]:
    return next(lines for found, lines in _sections() if found == heading)


def _fill_template(forms: str, fills: str) -> list[str]:
    parts = [fill.strip().split(" / ") for fill in fills.split(";")]
    return [form.strip().format(*part) for form in forms.split(" | ") for part in parts]


GENERAL_EVAL_PROMPTS: tuple[str, ...] = _lines("evaluation")
"""200 prompts for evaluation; `general_training_prompts` contains none of them, not even reworded."""


@cache
def general_training_prompts() -> tuple[str, ...]:
    """Return prompts for training: written ones, then filled templates. Adjacent ones are similar, so shuffle.

    Returns:
        At least 1,500 different prompts, none of `GENERAL_EVAL_PROMPTS`.
    """
    prompts = list(_lines("training"))
    for heading, lines in _sections():
        if heading.startswith("template: "):
            prompts += _fill_template(heading.removeprefix("template: "), " ".join(lines))
    return tuple(prompts)
