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
    from lorify.training.config import TrainingConfig
    from lorify.training.prepare import prepare_passages
    from lorify.training.reader.config import ReaderTrainingConfig
    from lorify.training.registry import load_run_config

    run = load_run_config(config)
    examples = prepare_passages(run.data)[1] if isinstance(run, TrainingConfig | ReaderTrainingConfig) else []
    if not examples:
        raise EvaluationError(f"training config {config} holds out no passages; set its data.questions_path")
    return examples
