"""What can be trained: each kind of run with its config and what puts its objective together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lorify.errors import ConfigError
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskTrainingConfig,
)
from lorify.hypernets.training_config import TrainingConfig, describe_problems, rename_keys
from lorify.training.associative.objective import prepare_associative
from lorify.training.doc_to_lora.objective import prepare_perceiver
from lorify.training.engine.loop import Objective
from lorify.training.prepare import Preparation
from lorify.training.reader.objective import prepare_reader
from lorify.training.tasks.lora import prepare_loras
from lorify.training.tasks.reconstruction import prepare_reconstruction
from lorify.training.tasks.sft import prepare_task
from lorify.training.tasks.system_prompt import prepare_system_message


@dataclass(frozen=True)
class TrainingKind:
    """A kind of run.

    Attributes:
        config: its config; `lorify train --defaults` lists its keys.
        prepare: reads data and base, and puts the objective together.
    """

    config: type[TrainingConfig]
    prepare: Callable[[Any, Preparation], Objective]


DEFAULT_KIND = "associative"
TRAINING_KINDS: Mapping[str, TrainingKind] = {
    DEFAULT_KIND: TrainingKind(AssociativeTrainingConfig, prepare_associative),
    "reader": TrainingKind(ReaderTrainingConfig, prepare_reader),
    "perceiver": TrainingKind(PerceiverTrainingConfig, prepare_perceiver),
    "task": TrainingKind(TaskTrainingConfig, prepare_task),
    "system_message": TrainingKind(SystemMessageTrainingConfig, prepare_system_message),
    "lora": TrainingKind(LoraTrainingConfig, prepare_loras),
    "reconstruction": TrainingKind(ReconstructionTrainingConfig, prepare_reconstruction),
}
"""By the `kind` of their configs."""


def find_training_kind(name: object) -> TrainingKind:
    """The kind of this name.

    Raises:
        ConfigError: if there is none.
    """
    if not isinstance(name, str) or name not in TRAINING_KINDS:
        raise ConfigError(f"kind: {name!r} cannot be trained; choose from {', '.join(TRAINING_KINDS)}")
    return TRAINING_KINDS[name]


def load_training_config(path: Path, change: Callable[[dict[str, Any]], object] | None = None) -> TrainingConfig:
    """Read a run's JSON config, of the kind that its key `kind` names.

    Args:
        path: the file.
        change: changes the document before it is checked.

    Raises:
        ConfigError: if the file is missing or not JSON, or has unknown keys or bad values; all are listed.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"training config {path} cannot be read ({error.strerror}); give an existing JSON file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"training config {path} is no text in UTF-8; save it in that encoding") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"training config {path}: file: invalid json: {error}; give a JSON file") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"training config {path} is no valid JSON object; see `lorify train --defaults --json` for one"
        )
    config = _validated(document, f"training config {path}")
    if change is None:
        return config
    document = rename_keys(document)
    change(document)
    return _validated(document, "--set")


def _validated(document: dict[str, Any], where: str) -> TrainingConfig:
    kind = find_training_kind(document.get("kind", DEFAULT_KIND))
    try:
        return kind.config.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_problems(error)}") from error
