"""The suites of the command line: those of the registry, and `heldout`, which needs the training package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lorify.evaluation.suites.api import Suite


def all_suites() -> list[type[Suite]]:
    """List the suites of the command line."""
    from lorify.commands.evaluation.heldout import HeldoutSuite
    from lorify.evaluation.suites.registry import SUITES

    return [*SUITES, HeldoutSuite]


def read_suite(text: str) -> Suite:
    """Read a suite from `NAME[:option=value...]` or a path.

    Raises:
        EvaluationError: if it is neither, or an option is wrong.
    """
    from lorify.commands.evaluation.heldout import HeldoutSuite
    from lorify.evaluation.suites.registry import parse_suite

    return parse_suite(text, [HeldoutSuite])
