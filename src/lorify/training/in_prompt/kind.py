"""The run that trains a LoRA with the document in the prompt, as an entry of the registry."""

from __future__ import annotations

from lorify.data.examples import Example
from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.in_prompt.dry_run import dry_run_prompt
from lorify.training.in_prompt.objective import prepare_prompt
from lorify.training.kind import TrainingKind
from lorify.training.passages import prepare_passages


def _heldout_passages(config: PromptTrainingConfig) -> list[Example]:
    return prepare_passages(config.data)[1]


PROMPT_TRAINING = TrainingKind(
    name="prompt",
    config=PromptTrainingConfig,
    prepare=prepare_prompt,
    output="an adapter for answering with the document in the prompt, for the methods `icl` and `rag`",
    dry_run=dry_run_prompt,
    heldout_passages=_heldout_passages,
)
