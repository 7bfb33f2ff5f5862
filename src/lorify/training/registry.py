"""All kinds of training runs, by the `kind` in their configs.

To add a kind, write a module with a `TrainingKind` in it and add one line to `TRAINING_KINDS`. Code outside of
lorify calls `register_training_kind` instead. `lorify train` and its `--defaults` and `--dry-run` find the kind here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lorify.errors import ConfigError
from lorify.hypernets.registry import import_entry
from lorify.hypernets.training_config import TrainingConfig, describe_problems, rename_keys
from lorify.json_text import parse_json
from lorify.training.kind import TrainingKind

DEFAULT_KIND = "associative"

# An entry given as a string is `module:attribute`, which is imported on first use.
TRAINING_KINDS: dict[str, TrainingKind[Any] | str] = {
    DEFAULT_KIND: "lorify.training.associative.kind:ASSOCIATIVE_TRAINING",
    "reader": "lorify.training.reader.kind:READER_TRAINING",
    "perceiver": "lorify.training.doc_to_lora.kind:PERCEIVER_TRAINING",
    "task": "lorify.training.tasks.kinds:TASK_TRAINING",
    "system_message": "lorify.training.tasks.kinds:SYSTEM_MESSAGE_TRAINING",
    "lora": "lorify.training.tasks.kinds:LORA_TRAINING",
    "prompt": "lorify.training.in_prompt.kind:PROMPT_TRAINING",
    "reconstruction": "lorify.training.tasks.kinds:RECONSTRUCTION_TRAINING",
    "extractor": "lorify.training.extraction.kind:EXTRACTOR_TRAINING",
}


def register_training_kind(kind: TrainingKind[Any]) -> None:
    """Add a kind of training run.

    Raises:
        ConfigError: if the name is taken.
    """
    if kind.name in TRAINING_KINDS:
        raise ConfigError(f"there is already a kind of training run {kind.name!r}; choose another name")
    TRAINING_KINDS[kind.name] = kind


def find_training_kind(name: object) -> TrainingKind[Any]:
    """Find the kind with this name.

    Raises:
        ConfigError: if no kind has this name.
    """
    entry = TRAINING_KINDS.get(name) if isinstance(name, str) else None
    if entry is None:
        raise ConfigError(f"kind: {name!r} cannot be trained; choose from {', '.join(TRAINING_KINDS)}")
    return import_entry(entry)


def kinds_with_dry_run() -> list[str]:
    """List the names of the kinds that can estimate a run."""
    return [name for name in TRAINING_KINDS if find_training_kind(name).dry_run is not None]


def load_training_config(path: Path, change: Callable[[dict[str, Any]], object] | None = None) -> TrainingConfig:
    """Read a run's JSON config; its key `kind` selects the config class.

    Args:
        path: the file.
        change: changes the document before its final check, after keys of lorify 0.1 were renamed.

    Raises:
        ConfigError: if the file is missing or not JSON, or has unknown keys or bad values, all of which are listed.
    """
    document = _read_document(path)
    config = _validated(document, f"training config {path}")
    if change is None:
        return config
    document = rename_keys(document)
    change(document)
    return _validated(document, "--set")


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"training config {path} cannot be read ({error.strerror}); give an existing JSON file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"training config {path} is not UTF-8 text; save it in that encoding") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"training config {path}: file: invalid json: {error}; give a JSON file") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"training config {path} is not a JSON object; see `lorify train --defaults --json` for an example"
        )
    return document


def _validated(document: dict[str, Any], source: str) -> TrainingConfig:
    kind = find_training_kind(document.get("kind", DEFAULT_KIND))
    try:
        return kind.config.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ConfigError(f"{source}: {describe_problems(error, kind.config)}") from error
