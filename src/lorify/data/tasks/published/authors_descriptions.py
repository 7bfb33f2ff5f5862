"""The description files of Text-to-LoRA's authors: `tasks/NAME/metadata.yaml` with about 200 descriptions each.

Source: github.com/SakanaAI/text-to-lora.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lorify.data.tasks.published.sni import parse_sni_number
from lorify.errors import EvaluationError, first_line
from lorify.yaml_text import parse_yaml

FILE_NAME = "metadata.yaml"
_PREFIX = "lol_"
# The C loader, where available, is five times as fast; a folder has 511 files.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the descriptions of tasks.

    Args:
        path: the folder `tasks` of the authors' repository, or one `metadata.yaml`.

    Returns:
        Descriptions by key: the number of a Super-NaturalInstructions task, or the folder name of any other task.

    Raises:
        EvaluationError: if there is no such file, or one is broken.
    """
    found = sorted(path.glob(f"*/{FILE_NAME}")) if path.is_dir() else [path]
    if not found:
        raise EvaluationError(
            f"{path} has no NAME/{FILE_NAME}; give the folder `tasks` of github.com/SakanaAI/text-to-lora"
        )
    documents = {file: _read(file) for file in found}
    return {_key(file, document): tuple(document["descriptions"]) for file, document in documents.items()}


def find_descriptions(
    names: Sequence[str], descriptions: Mapping[str, tuple[str, ...]], source: Path
) -> dict[str, tuple[str, ...]]:
    """Find the descriptions of Super-NaturalInstructions tasks, by name.

    Args:
        names: names of the tasks.
        descriptions: as `read_descriptions` returns them.
        source: where they were read from, for messages.

    Raises:
        EvaluationError: if a task has no descriptions.
    """
    keys = {name: str(parse_sni_number(name)) for name in names}
    missing = [name for name, key in keys.items() if key not in descriptions]
    if missing:
        raise EvaluationError(
            f"{source} has no descriptions of {len(missing)} of {len(names)} tasks, such as {missing[0]}; it describes "
            f"{', '.join(sorted(descriptions)[:3])} and {max(0, len(descriptions) - 3)} more; give those of these tasks"
        )
    return {name: descriptions[key] for name, key in keys.items()}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = parse_yaml(file.read_text(encoding="utf-8"), _LOADER)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise EvaluationError(f"description file {file} cannot be read ({reason}); download it again") from error
    texts = document.get("descriptions") if isinstance(document, dict) else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise EvaluationError(f"description file {file} has no list of descriptions; give one of Text-to-LoRA's")
    return document


def _key(file: Path, document: Mapping[str, Any]) -> str:
    folder = file.parent.name
    name = str(document.get("task_name", "")).rpartition("/")[2]
    number = parse_sni_number(name)
    if number is None and folder.startswith(_PREFIX) and folder.removeprefix(_PREFIX).isdecimal():
        number = int(folder.removeprefix(_PREFIX))
    return folder if number is None else str(number)
