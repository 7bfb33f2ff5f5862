"""What can be trained: each kind of run with its config and what puts its objective together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lorify.errors import ConfigError
from lorify.training.associative.objective import prepare_associative
from lorify.training.config import RunConfig, TrainingConfig, describe_problems
from lorify.training.doc_to_lora.config import PerceiverTrainingConfig
from lorify.training.doc_to_lora.objective import prepare_perceiver
from lorify.training.engine.loop import Objective
from lorify.training.prepare import Preparation
from lorify.training.reader.config import ReaderTrainingConfig
from lorify.training.reader.objective import prepare_reader
from lorify.training.tasks.config import (
    LoraTrainingConfig,
    ReconstructionConfig,
    SystemMessageTrainingConfig,
    TaskTrainingConfig,
)
from lorify.training.tasks.lora import prepare_loras
from lorify.training.tasks.reconstruction import prepare_reconstruction
from lorify.training.tasks.sft import prepare_task
from lorify.training.tasks.system_prompt import prepare_system_message


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        config: its config; `lorify train --defaults` lists its keys.
        prepare: reads data and base, and puts the objective together.
    """

    config: type[RunConfig]
    prepare: Callable[[Any, Preparation], Objective]


DEFAULT_KIND = "associative"
KINDS: Mapping[str, Kind] = {
    DEFAULT_KIND: Kind(TrainingConfig, prepare_associative),
    "reader": Kind(ReaderTrainingConfig, prepare_reader),
    "perceiver": Kind(PerceiverTrainingConfig, prepare_perceiver),
    "task": Kind(TaskTrainingConfig, prepare_task),
    "system_message": Kind(SystemMessageTrainingConfig, prepare_system_message),
    "lora": Kind(LoraTrainingConfig, prepare_loras),
    "reconstruction": Kind(ReconstructionConfig, prepare_reconstruction),
}
"""By the `kind` of their configs."""


def find_kind(name: object) -> Kind:
    """The kind of this name.

    Raises:
        ConfigError: if there is none.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise ConfigError(f"kind: {name!r} cannot be trained; choose from {', '.join(KINDS)}")
    return KINDS[name]


def load_run_config(path: Path, change: Callable[[dict[str, Any]], object] | None = None) -> RunConfig:
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
    change(document)
    return _validated(document, "--set")


def _validated(document: dict[str, Any], where: str) -> RunConfig:
    kind = find_kind(document.get("kind", DEFAULT_KIND))
    try:
        return kind.config.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_problems(error)}") from error
