"""The suite `heldout`: passages that a training config holds out.

It lives here because the packages `evaluation` and `training` may not import each other.
"""

from __future__ import annotations

from pathlib import Path

from lorify.data.examples import Example
from lorify.errors import EvaluationError
from lorify.evaluation.suites.cases import Case, draw_cases
from lorify.evaluation.suites.questions import QuestionsSuite
from lorify.facade import Lorify
from lorify.training.registry import find_training_kind, load_training_config


class HeldoutSuite(QuestionsSuite):
    """The passages that a training config holds out; `path` is the config."""

    name = "heldout"

    def build(self, model: Lorify) -> list[Case]:
        """Draw held-out passages."""
        return draw_cases(model.base, _heldout_examples(self.path), self.documents, self.questions, self.seed)


def _heldout_examples(path: Path) -> list[Example]:
    config = load_training_config(path)
    heldout_passages = find_training_kind(config.kind).heldout_passages
    examples = list(heldout_passages(config)) if heldout_passages is not None else []
    if not examples:
        raise EvaluationError(f"training config {path} holds out no passages; set its data.questions_path")
    return examples
