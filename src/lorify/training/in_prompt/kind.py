"""The registry entry of runs that train a LoRA with the document in the prompt."""

from __future__ import annotations

from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.in_prompt.dry_run import dry_run_prompt
from lorify.training.in_prompt.objective import prepare_prompt
from lorify.training.kind import TrainingKind
from lorify.training.passages import heldout_passages_of

PROMPT_TRAINING = TrainingKind(
    name="prompt",
    config=PromptTrainingConfig,
    prepare=prepare_prompt,
    output="an adapter for answering with the document in the prompt, for the methods `icl` and `rag`",
    dry_run=dry_run_prompt,
    heldout_passages=heldout_passages_of,
)
