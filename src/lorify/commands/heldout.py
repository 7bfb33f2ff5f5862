"""The suite `heldout`: what a training config holds out; it joins evaluation and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.data.examples import Example
    from lorify.evaluation.suites.documents import QuestionsSuite
    from lorify.facade import Lorify


def heldout_kind() -> type[QuestionsSuite]:
    """The kind of suite; it is made here so that `lorify --help` loads no model library."""
    from lorify.evaluation.suites.cases import Case, draw_cases
    from lorify.evaluation.suites.documents import QuestionsSuite

    class HeldoutSuite(QuestionsSuite):
        """The passages that a training config holds out; `path` is the config."""

        name = "heldout"

        def build(self, model: Lorify) -> list[Case]:
            """The cases."""
            return draw_cases(model.base, _heldout_examples(self.path), self.documents, self.questions, self.seed)

    return HeldoutSuite


def _heldout_examples(config: Path) -> list[Example]:
    from lorify.hypernets.training_data import ContextMix
    from lorify.training.prepare import prepare_passages
    from lorify.training.registry import load_training_config

    data = getattr(load_training_config(config), "data", None)
    examples = prepare_passages(data)[1] if isinstance(data, ContextMix) else []
    if not examples:
        raise EvaluationError(f"training config {config} holds out no passages; set its data.questions_path")
    return examples
