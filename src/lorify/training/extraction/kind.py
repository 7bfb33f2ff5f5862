"""The registry entry of runs that train an extractor."""

from __future__ import annotations

from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.extraction.dry_run import dry_run_extraction
from lorify.training.extraction.objective import prepare_extraction
from lorify.training.kind import TrainingKind
from lorify.training.passages import heldout_passages_of

EXTRACTOR_TRAINING = TrainingKind(
    name="extractor",
    config=ExtractionTrainingConfig,
    prepare=prepare_extraction,
    output="an extractor, which quotes the words of a document that answer a question",
    dry_run=dry_run_extraction,
    heldout_passages=heldout_passages_of,
)
