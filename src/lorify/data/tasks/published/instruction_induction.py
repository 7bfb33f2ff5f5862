"""The tasks of instruction induction, with their own metrics.

Source: Instruction Induction (arXiv 2205.10782) and github.com/orhonovich/instruction-induction. Its folder `data` has
descriptions in `annotations`, examples in `raw/induce` and measured inputs in `raw/execute`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.json_files import read_object
from lorify.data.tasks.schema import Instance, MeasuredTask, Metric, Task, split_task
from lorify.errors import EvaluationError

METRICS: dict[str, Metric] = {
    "active_to_passive": "induction_exact",
    "antonyms": "induction_exact",
    "cause_and_effect": "induction_exact",
    "common_concept": "induction_f1",
    "diff": "induction_exact",
    "first_word_letter": "induction_exact",
    "informal_to_formal": "induction_f1",
    "larger_animal": "induction_exact",
    "letters_list": "induction_exact",
    "negation": "induction_exact",
    "num_to_verbal": "induction_exact",
    "orthography_starts_with": "induction_set",
    "rhymes": "induction_exact",
    "second_word_letter": "induction_exact",
    "sentence_similarity": "induction_exact",
    "sentiment": "induction_exact",
    "singular_to_plural": "induction_exact",
    "sum": "induction_exact",
    "synonyms": "induction_contains",
    "taxonomy_animal": "induction_set",
    "translation_en-de": "induction_exact",
    "translation_en-es": "induction_exact",
    "translation_en-fr": "induction_exact",
    "word_in_context": "induction_exact",
}
"""The tasks and their metrics."""

ANSWER_FIELDS = ("all_common_concepts", "other_rhymes", "possible_translations", "possible_outputs")
"""Fields with several acceptable answers, used instead of `output`."""

CONVERTED_PREFIX = "ii_"


def load_instruction_induction(folder: Path) -> list[MeasuredTask]:
    """Read the tasks from the published folder `data`, or from task files named after them.

    Args:
        folder: the published folder; or a folder of task files `NAME.json` or `ii_NAME.json`, whose last instances are
            measured. Other files are ignored.

    Raises:
        EvaluationError: if none of the tasks is found, or a file is broken.
    """
    if (folder / "annotations").is_dir():
        names = [name for name in METRICS if (folder / "annotations" / f"{name}.json").is_file()]
        tasks = [_read_published(folder, name) for name in names]
    else:
        tasks = [split_task(task) for task in _read_converted(folder)]
    if not tasks:
        raise EvaluationError(
            f"{folder} has none of the tasks of instruction induction, such as antonyms.json; give the folder `data` "
            "of github.com/orhonovich/instruction-induction"
        )
    return tasks


def _read_converted(folder: Path) -> list[Task]:
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is not a folder; give the folder of the tasks of instruction induction")
    found = {path.stem.removeprefix(CONVERTED_PREFIX): path for path in sorted(folder.glob("*.json"))}
    chosen = {name: found[name] for name in METRICS if name in found}
    return [
        replace(task, name=name, metric=METRICS[name], family=name)
        for name, path in chosen.items()
        for task in load_tasks(path)
    ]


def _read_published(folder: Path, name: str) -> MeasuredTask:
    path = folder / "annotations" / f"{name}.json"
    annotations = read_object(path).get("annotations")
    if not isinstance(annotations, list) or not annotations or not all(isinstance(text, str) for text in annotations):
        raise EvaluationError(f"{path}: field 'annotations' is not a list of texts; expected descriptions of the task")
    shown, measured = (_read_instances(folder / "raw" / part / f"{name}.json") for part in ("induce", "execute"))
    descriptions = tuple(annotations)
    task = Task(
        name=name,
        definition=descriptions[0],
        descriptions=descriptions,
        instances=(*shown, *measured),
        metric=METRICS[name],
        family=name,
        source="instruction induction",
    )
    return MeasuredTask(task, shown, measured, descriptions)


def _read_instances(path: Path) -> tuple[Instance, ...]:
    examples = read_object(path).get("examples")
    if not isinstance(examples, dict) or not examples:
        raise EvaluationError(f"{path}: field 'examples' is missing or empty; expected an object of examples")
    instances: list[Instance] = []
    for number, row in examples.items():
        found = list(_parse_example(row)) if isinstance(row, dict) else []
        if not found:
            raise EvaluationError(f"{path}: example {number} has no input or no output; expected texts")
        instances += found
    return tuple(instances)


def _parse_example(row: dict[str, Any]) -> Iterator[Instance]:
    """Yield the instances of an example: two for cause and effect, in both orders, else one."""
    if isinstance(cause := row.get("cause"), str) and isinstance(effect := row.get("effect"), str):
        for first, second in ((cause, effect), (effect, cause)):
            yield Instance(f"Sentence 1: {first} Sentence 2: {second}", (cause,))
        return
    items = row.get("items")
    text = ", ".join(map(str, items)) if isinstance(items, list) else row.get("input")
    answers: Any = next((row[field] for field in ANSWER_FIELDS if row.get(field)), [row.get("output")])
    if isinstance(text, str) and isinstance(answers, list) and all(isinstance(answer, str) for answer in answers):
        yield Instance(text, tuple(answers))
