"""How Text-to-LoRA compares answers to its benchmarks with the right ones.

Source: github.com/SakanaAI/text-to-lora, `utils/eval_tasks.py` and fishfarm's `language_restricted_math.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorify.evaluation.scoring.programs import insert_answer, passes_tests

_IGNORED = ":`'\"(.) "
_NUMBER = re.compile(r"\d*\.?\d+")
_TRUTHS = (
    ("1", True),
    ("0", False),
    ("yes", True),
    ("no", False),
    ("true", True),
    ("false", False),
    ("positive", True),
    ("negative", False),
    ("valid", True),
)
"""Words to look for, in this order, and what they mean."""


def same_choice(prediction: str, answers: Sequence[str]) -> float:
    """Compare the first letter or digit, without the marks before it."""
    found = _first_choice(prediction)
    return float(found is not None and found == _first_choice(answers[0]))


def same_truth(prediction: str, answers: Sequence[str]) -> float:
    """Compare the first of `_TRUTHS` that occurs anywhere."""
    found = _find_truth(prediction)
    return float(found is not None and found == _find_truth(answers[0]))


def same_last_number(prediction: str, answers: Sequence[str]) -> float:
    """Compare the last run of digits, so that `1,080` counts as 80 on both sides; the right one as an integer."""
    found, right = _NUMBER.findall(prediction), _NUMBER.findall(answers[0])
    return float(bool(found) and bool(right) and float(found[-1]) == int(float(right[-1])))


def passes(prediction: str, answers: Sequence[str]) -> float:
    """Run the program of an answer with its tests, which are the acceptable answer."""
    return float(passes_tests(insert_answer(answers[0], prediction)))


def _first_choice(text: str) -> str | None:
    text = text.strip().strip(_IGNORED).lower()
    return text[0] if re.match(r"[a-z0-9]", text) else None


def _find_truth(text: str) -> bool | None:
    text = text.lower()
    return next((truth for word, truth in _TRUTHS if word in text), None)
