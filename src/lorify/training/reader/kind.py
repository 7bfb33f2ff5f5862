"""The registry entry of runs that train the reader of an associative hypernetwork."""

from __future__ import annotations

from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.training.kind import TrainingKind
from lorify.training.passages import heldout_passages_of
from lorify.training.reader.dry_run import dry_run_reader
from lorify.training.reader.objective import prepare_reader

READER_TRAINING = TrainingKind(
    name="reader",
    config=ReaderTrainingConfig,
    prepare=prepare_reader,
    output="the document hypernetwork with its new reader, for --hypernetwork",
    dry_run=dry_run_reader,
    heldout_passages=heldout_passages_of,
)
