"""The run that trains an extractor, as an entry of the registry."""

from __future__ import annotations

from lorify.data.examples import Example
from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.extraction.dry_run import dry_run_extraction
from lorify.training.extraction.objective import prepare_extraction
from lorify.training.kind import TrainingKind
from lorify.training.passages import prepare_passages


def _heldout_passages(config: ExtractionTrainingConfig) -> list[Example]:
    return prepare_passages(config.data)[1]


EXTRACTOR_TRAINING = TrainingKind(
    name="extractor",
    config=ExtractionTrainingConfig,
    prepare=prepare_extraction,
    output="an extractor, which quotes the words of a document that answer a question",
    dry_run=dry_run_extraction,
    heldout_passages=_heldout_passages,
)
