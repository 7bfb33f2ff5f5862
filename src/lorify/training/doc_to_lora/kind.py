"""The registry entry of runs that train a Perceiver hypernetwork."""

from __future__ import annotations

from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.dry_run import dry_run
from lorify.training.doc_to_lora.objective import prepare_perceiver
from lorify.training.kind import TrainingKind

PERCEIVER_TRAINING = TrainingKind(
    name="perceiver",
    config=PerceiverTrainingConfig,
    prepare=prepare_perceiver,
    output="a document hypernetwork, for --hypernetwork",
    dry_run=dry_run,
)
