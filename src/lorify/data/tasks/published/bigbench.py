"""JSON tasks of BIG-bench: folders with a `task.json` each.

Source: BIG-bench (arXiv 2206.04615) and github.com/google/BIG-bench (`docs/doc.md`). Multiple-choice items list their
choices in the input, as BIG-bench does by default, and the answer is the best choice; scores below the maximum count
as wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorify.data.tasks.json_files import read_object
from lorify.data.tasks.schema import Instance, Metric, Task
from lorify.errors import EvaluationError

METRICS: dict[str, Metric] = {
    "exact_str_match": "exact",
    "multiple_choice_grade": "normalized",
    "rouge": "rouge_l",
    "bleu": "rouge_l",
    "bleurt": "rouge_l",
}
"""lorify's metric for the preferred score of a task; `normalized` for other scores."""

CHOICE_PREFIX = "\n  choice: "
FILE_NAME = "task.json"


def load_bigbench(path: Path) -> list[Task]:
    """Read the JSON tasks of a folder and its subfolders; the family of a task is the outermost subfolder.

    Raises:
        EvaluationError: if there is no `task.json`, or one is broken.
    """
    files = [path] if path.is_file() else sorted(path.rglob(FILE_NAME))
    if not files:
        raise EvaluationError(f"{path} holds no {FILE_NAME}; give a folder of JSON tasks of BIG-bench")
    return [_read_task(file, path) for file in files]


def _read_task(file: Path, root: Path) -> Task:
    document = read_object(file)
    try:
        return _parse_task(document, file.parent.relative_to(root).parts if file != root else ())
    except EvaluationError as error:
        raise EvaluationError(f"{file}: {error}; expected a task of BIG-bench") from error


def _parse_task(document: dict[str, Any], folders: tuple[str, ...]) -> Task:
    stated = document.get("name")
    name = "/".join(folders) or (stated if isinstance(stated, str) else "")
    texts = [document.get("task_prefix"), document.get("description")]
    descriptions = tuple(dict.fromkeys(text.strip() for text in texts if isinstance(text, str) and text.strip()))
    if not name:
        raise EvaluationError("field 'name' is missing or empty")
    if not descriptions:
        raise EvaluationError("field 'description' is missing or empty")
    rows = document.get("examples")
    if not isinstance(rows, list) or not rows:
        raise EvaluationError("field 'examples' is missing or empty")
    instances = tuple(_parse_example(row, number) for number, row in enumerate(rows, start=1))
    if len(instances) < 2:
        raise EvaluationError("one example; expected at least two, to show and to measure")
    # The text that the task puts before its inputs, if any, is the description: it is what a model is told.
    return Task(
        name=name,
        definition=descriptions[0],
        descriptions=descriptions[:1],
        instances=instances,
        metric=_metric(document),
        family=folders[0] if folders else name,
        source="BIG-bench",
    )


def _parse_example(row: object, number: int) -> Instance:
    text = row.get("input") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(text, str):
        raise EvaluationError(f"example {number} has no 'input'")
    scores = row.get("target_scores")
    if isinstance(scores, dict) and scores and all(isinstance(value, int | float) for value in scores.values()):
        best = max(scores.values())
        answers = tuple(choice for choice, value in scores.items() if value == best)
        return Instance(text + "".join(f"{CHOICE_PREFIX}{choice}" for choice in scores), answers, tuple(scores))
    target = row.get("target")
    targets = [target] if isinstance(target, str) else target
    if not isinstance(targets, list) or not targets or not all(isinstance(item, str) for item in targets):
        raise EvaluationError(f"example {number} has neither 'target' nor 'target_scores'")
    return Instance(text, tuple(targets))


def _metric(document: dict[str, Any]) -> Metric:
    metrics = document.get("metrics")
    stated = [document.get("preferred_score"), *(metrics if isinstance(metrics, list) else [])]
    for name in stated:
        if isinstance(name, str) and name in METRICS:
            return METRICS[name]
    return "normalized"
