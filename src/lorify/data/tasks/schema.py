"""Tasks: what is to be done, in many wordings, with instances; one form for all of them.

A task on disk is a JSON object with `name`, `definition`, `descriptions`, `instances` (`input`, `outputs` and, where
the answer is one of a few, `choices`), and where they are known `metric`, `family` and `source`. Files of
Super-NaturalInstructions are read as they are published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from lorify.atomic import replaced_file
from lorify.errors import EvaluationError

Metric = Literal["exact", "normalized", "number", "f1", "rouge_l"]
"""How answers are scored: the same text; the same but for case, punctuation and articles; the same last number; token
F1; ROUGE-L."""

_LONG_ANSWER_WORDS = 6


@dataclass(frozen=True)
class Instance:
    """One case of a task.

    Attributes:
        input: what is to be worked on.
        outputs: acceptable answers; the first is the one to train on.
        choices: all possible answers, if they are few.
    """

    input: str
    outputs: tuple[str, ...]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: unique name.
        definition: what is to be done, by who made the task.
        descriptions: other wordings of it; where there are none, the definition.
        instances: cases with answers.
        metric: how answers are scored.
        family: tasks of one family are alike; families are split, not tasks.
        source: where it comes from.
    """

    name: str
    definition: str
    descriptions: tuple[str, ...]
    instances: tuple[Instance, ...]
    metric: Metric
    family: str
    source: str


def load_tasks(path: Path) -> list[Task]:
    """Read tasks from a JSON file, or from all JSON files of a folder and the folders in it.

    Raises:
        EvaluationError: if there is no such file, or one is broken; all broken files are named.
    """
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise EvaluationError(f"{path} holds no .json file; expected files of one task each")
    tasks, problems = [], []
    for file in paths:
        try:
            tasks.append(_parse_task(json.loads(file.read_text(encoding="utf-8")), file.stem))
        except OSError as error:
            problems.append(f"{file} cannot be read ({error.strerror})")
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            problems.append(f"{file} is no JSON ({error})")
        except EvaluationError as error:
            problems.append(f"{file}: {error}")
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise EvaluationError(
            f"{shown}: expected a task each, with name, definition and instances; mend or remove them"
        )
    names = [task.name for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EvaluationError(f"{path} has two tasks named {twice[0]!r}; names must differ")
    return tasks


def save_task(task: Task, folder: Path) -> Path:
    """Write a task to `FOLDER/NAME.json`, the name's odd characters replaced, and give that path."""
    instances = [
        {"input": i.input, "outputs": i.outputs, **({"choices": i.choices} if i.choices else {})}
        for i in task.instances
    ]
    document = {
        "name": task.name,
        "definition": task.definition,
        "descriptions": task.descriptions,
        "instances": instances,
        "metric": task.metric,
        "family": task.family,
        "source": task.source,
    }
    path = task_path(task, folder)
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def task_path(task: Task, folder: Path) -> Path:
    """Where `save_task` writes."""
    return folder / (re.sub(r"[^\w.-]", "_", task.name).lstrip(".") + ".json")


@cache
def sni_training_tasks() -> frozenset[int]:
    """Numbers of the 479 tasks of Super-NaturalInstructions that Text-to-LoRA trains on.

    They are the training tasks of Lots-of-LoRAs less those that overlap with the paper's ten benchmarks (arXiv
    2506.06105, appendix).
    """
    text = files("lorify.data.tasks").joinpath("sni_training_tasks.txt").read_text(encoding="utf-8")
    return frozenset(map(int, text.split()))


def sni_number(task: Task) -> int | None:
    """Number of a task of Super-NaturalInstructions, from its name (`task093_...`); None for other tasks."""
    found = re.match(r"(?:sni_)?task(\d+)_", task.name)
    return int(found.group(1)) if found else None


def _parse_task(document: Any, file_stem: str) -> Task:
    if not isinstance(document, dict):
        raise EvaluationError("not a JSON object")
    if "Instances" in document:
        return _parse_sni(document, file_stem)
    instances = _parse_instances(document, "instances", "outputs")
    name = _text(document, "name", default=file_stem)
    definition = _text(document, "definition")
    given = [text for text in _texts(document, "descriptions") if _says_something(text)]
    metric = document.get("metric") or _guess_metric(instances)
    if metric not in get_args(Metric):
        raise EvaluationError(f"metric {metric!r} is not known; choose from {', '.join(get_args(Metric))}")
    family = _text(document, "family", default=name)
    descriptions = tuple(dict.fromkeys(given)) or (definition,)
    source = _text(document, "source", default="local folder")
    return Task(name, definition, descriptions, instances, metric, family, source)


def _parse_sni(document: dict[str, Any], file_stem: str) -> Task:
    """A file of Super-NaturalInstructions (`Definition`, `Categories`, `Instances` with `input` and `output`)."""
    definitions = document.get("Definition")
    definition = " ".join(definitions) if isinstance(definitions, list) else definitions
    if not isinstance(definition, str) or not definition.strip():
        raise EvaluationError("field 'Definition' is missing or empty")
    instances = _parse_instances(document, "Instances", "output")
    families = _texts(document, "Categories")
    return Task(
        file_stem,
        definition,
        (definition,),
        instances,
        _guess_metric(instances),
        families[0] if families else file_stem,
        "Super-NaturalInstructions",
    )


def _parse_instances(document: dict[str, Any], field: str, answers: str) -> tuple[Instance, ...]:
    rows = document.get(field)
    if not isinstance(rows, list) or not rows:
        raise EvaluationError(f"field '{field}' is missing or empty")
    instances = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise EvaluationError(f"{field} {number} is no JSON object")
        outputs = tuple(text for text in _texts(row, answers) if text.strip())
        if not outputs:
            raise EvaluationError(f"{field} {number} has no '{answers}'")
        instances.append(Instance(_text(row, "input"), outputs, _texts(row, "choices")))
    return tuple(instances)


def _text(document: dict[str, Any], field: str, *, default: str | None = None) -> str:
    value = document.get(field, default)
    if not isinstance(value, str) or not value.strip():
        raise EvaluationError(f"field '{field}' is missing or empty")
    return value


def _texts(document: dict[str, Any], field: str) -> tuple[str, ...]:
    value = document.get(field) or []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise EvaluationError(f"field '{field}' is no list of texts")
    return tuple(values)


def _says_something(description: str) -> bool:
    """Whether a description has words beside the gaps (`{...}`) of a template it was recovered from."""
    return len(re.findall(r"[^\W\d_]{2,}", description)) >= 3


def _guess_metric(instances: Sequence[Instance]) -> Metric:
    """The number, where all answers are one; ROUGE-L where they are long, as in Super-NaturalInstructions; else whether
    they are the same."""
    if all(re.fullmatch(r"-?\d+(?:[.,]\d+)*", instance.outputs[0].strip()) for instance in instances):
        return "number"
    lengths = sorted(len(instance.outputs[0].split()) for instance in instances)
    return "rouge_l" if lengths[len(lengths) // 2] > _LONG_ANSWER_WORDS else "normalized"


def split_descriptions(task: Task) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Descriptions to train on, and the last quarter to measure with; all for both where there are fewer than four."""
    unseen = len(task.descriptions) // 4
    if not unseen:
        return task.descriptions, task.descriptions
    return task.descriptions[:-unseen], task.descriptions[-unseen:]


def split_instances(task: Task, heldout_share: float = 0.2) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """Instances to train on (and to show as examples), and the last of them, at least one, to measure with.

    Raises:
        EvaluationError: if the task has fewer than two instances.
    """
    if len(task.instances) < 2:
        raise EvaluationError(f"task {task.name} has one instance; expected at least two, to learn from and to measure")
    heldout = max(1, round(heldout_share * len(task.instances)))
    return task.instances[:-heldout], task.instances[-heldout:]
