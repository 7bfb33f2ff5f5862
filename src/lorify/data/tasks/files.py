"""Read and write tasks as JSON files.

A file contains one object with `name`, `definition`, `descriptions`, `instances` (`input`, `outputs` and optionally
`choices`), and optionally `metric`, `family` and `source`. If there are `categories`, the first one is the family.
Files of Super-NaturalInstructions are read as published.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from lorify.atomic import replaced_file
from lorify.data.tasks.json_files import read_object
from lorify.data.tasks.schema import Instance, Metric, Task
from lorify.errors import EvaluationError

_LONG_ANSWER_WORDS = 6
_MAX_REPORTED = 3
_MIN_DESCRIPTION_WORDS = 3


def load_tasks(path: Path) -> list[Task]:
    """Read tasks from a JSON file, or from all JSON files of a folder and its subfolders.

    Raises:
        EvaluationError: if there is no such file, files are broken (all are named), or two tasks share a name.
    """
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise EvaluationError(f"{path} holds no .json file; expected files of one task each")
    tasks, problems = [], []
    for file in paths:
        try:
            tasks.append(_load_task(file))
        except EvaluationError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - _MAX_REPORTED} more" if len(problems) > _MAX_REPORTED else ""
        raise EvaluationError(
            f"{'; '.join(problems[:_MAX_REPORTED])}{more}: expected a task each, with name, definition and instances; "
            "fix or remove them"
        )
    repeated = sorted(name for name, count in Counter(task.name for task in tasks).items() if count > 1)
    if repeated:
        raise EvaluationError(f"{path} has two tasks named {repeated[0]!r}; names must differ")
    return tasks


def save_task(task: Task, folder: Path) -> Path:
    """Write a task to `FOLDER/NAME.json`, with special characters of the name replaced, and return the path."""
    document = asdict(task)
    for instance in document["instances"]:
        if not instance["choices"]:
            del instance["choices"]
    path = task_path(task, folder)
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def task_path(task: Task, folder: Path) -> Path:
    """Return the path that `save_task` writes to."""
    return folder / (re.sub(r"[^\w.-]", "_", task.name).lstrip(".") + ".json")


def _load_task(file: Path) -> Task:
    document = read_object(file)
    try:
        return _parse_sni(document, file.stem) if "Instances" in document else _parse_task(document, file.stem)
    except EvaluationError as error:
        raise EvaluationError(f"{file}: {error}") from error


def _parse_task(document: dict[str, Any], file_stem: str) -> Task:
    instances = _parse_instances(document, "instances", "outputs")
    name = _parse_text(document, "name", default=file_stem)
    definition = _parse_text(document, "definition")
    descriptions = [text for text in _parse_texts(document, "descriptions") if _has_words(text)]
    metric = document.get("metric") or _guess_metric(instances)
    if metric not in get_args(Metric):
        raise EvaluationError(f"metric {metric!r} is not known; choose from {', '.join(get_args(Metric))}")
    return Task(
        name=name,
        definition=definition,
        descriptions=tuple(dict.fromkeys(descriptions)) or (definition,),
        instances=instances,
        metric=metric,
        family=next(iter(_parse_texts(document, "categories")), None) or _parse_text(document, "family", default=name),
        source=_parse_text(document, "source", default="local folder"),
    )


def _parse_sni(document: dict[str, Any], file_stem: str) -> Task:
    """Parse a Super-NaturalInstructions file: `Definition`, `Categories`, and `Instances` with `input` and `output`."""
    definitions = document.get("Definition")
    definition = " ".join(definitions) if isinstance(definitions, list) else definitions
    if not isinstance(definition, str) or not definition.strip():
        raise EvaluationError("field 'Definition' is missing or empty")
    instances = _parse_instances(document, "Instances", "output")
    families = _parse_texts(document, "Categories")
    return Task(
        name=file_stem,
        definition=definition,
        descriptions=(definition,),
        instances=instances,
        metric=_guess_metric(instances),
        family=families[0] if families else file_stem,
        source="Super-NaturalInstructions",
    )


def _parse_instances(document: dict[str, Any], field: str, answers: str) -> tuple[Instance, ...]:
    rows = document.get(field)
    if not isinstance(rows, list) or not rows:
        raise EvaluationError(f"field '{field}' is missing or empty")
    instances = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise EvaluationError(f"{field} {number} is not a JSON object")
        outputs = tuple(text for text in _parse_texts(row, answers) if text.strip())
        if not outputs:
            raise EvaluationError(f"{field} {number} has no '{answers}'")
        instances.append(Instance(_parse_text(row, "input"), outputs, _parse_texts(row, "choices")))
    return tuple(instances)


def _parse_text(document: dict[str, Any], field: str, *, default: str | None = None) -> str:
    value = document.get(field, default)
    if not isinstance(value, str) or not value.strip():
        raise EvaluationError(f"field '{field}' is missing or empty")
    return value


def _parse_texts(document: dict[str, Any], field: str) -> tuple[str, ...]:
    value = document.get(field) or []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise EvaluationError(f"field '{field}' is not a list of texts")
    return tuple(values)


def _has_words(description: str) -> bool:
    """Return whether a description has words besides the gaps (`{...}`) of its original template."""
    return len(re.findall(r"[^\W\d_]{2,}", description)) >= _MIN_DESCRIPTION_WORDS


def _guess_metric(instances: Sequence[Instance]) -> Metric:
    """Return `number` if all answers are numbers, `rouge_l` (as in Super-NaturalInstructions) if they are long, else
    `normalized`."""
    if all(re.fullmatch(r"-?\d+(?:[.,]\d+)*", instance.outputs[0].strip()) for instance in instances):
        return "number"
    lengths = sorted(len(instance.outputs[0].split()) for instance in instances)
    return "rouge_l" if lengths[len(lengths) // 2] > _LONG_ANSWER_WORDS else "normalized"
