"""Prompts that have nothing to do with any document: an adapter must leave the base's answers to them alone.

The prompts are in `general_prompts.txt`, under headings that start with `=`: the evaluation prompts, the training
prompts, and templates for more training prompts (`= template: FORM | FORM ...`, then the fills, `;` between fills and
` / ` between the parts of one fill). Many are short questions of fact, which look just like questions about a document.
"""

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


def _from_template(forms: str, fills: str) -> list[str]:
    parts = [fill.strip().split(" / ") for fill in fills.split(";")]
    return [form.strip().format(*part) for form in forms.split(" | ") for part in parts]


GENERAL_EVAL_PROMPTS: tuple[str, ...] = _lines("evaluation")
"""200 prompts to measure on; none is in `general_training_prompts`, nor in nearly the same words."""


@cache
def general_training_prompts() -> tuple[str, ...]:
    """Prompts to train on, in a fixed order with like beside like (shuffle them): written ones, then filled templates.

    Returns:
        At least 1,500 prompts, no two the same, all apart from `GENERAL_EVAL_PROMPTS`.
    """
    prompts = list(_lines("training"))
    for heading, lines in _sections():
        if heading.startswith("template: "):
            prompts += _from_template(heading.removeprefix("template: "), " ".join(lines))
    return tuple(prompts)
