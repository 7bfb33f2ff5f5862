"""The registry entry of runs that train an associative hypernetwork."""

from __future__ import annotations

from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.associative.dry_run import dry_run_associative
from lorify.training.associative.objective import prepare_associative
from lorify.training.kind import TrainingKind
from lorify.training.passages import heldout_passages_of

ASSOCIATIVE_TRAINING = TrainingKind(
    name="associative",
    config=AssociativeTrainingConfig,
    prepare=prepare_associative,
    output="a document hypernetwork, for --hypernetwork",
    dry_run=dry_run_associative,
    heldout_passages=heldout_passages_of,
)
