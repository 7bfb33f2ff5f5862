"""Natural tasks by family and source data set: prompt templates of P3 (T0) and Super-NaturalInstructions.

Source: families of T0 are taken from "Multitask Prompted Training Enables Zero-Shot Task Generalization" (arXiv
2110.08207), figure 2; families of Super-NaturalInstructions are the categories given in its files.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.published.sni import sni_number
from lorify.data.tasks.schema import Task
from lorify.errors import EvaluationError

T0_DATASETS: dict[str, tuple[str, ...]] = {
    "multiple_choice_qa": (
        "commonsense_qa", "cosmos_qa", "dream", "qasc", "quail", "quarel", "quartz", "race", "sciq", "social_i_qa",
        "wiki_hop", "wiqa", "openbookqa", "ai2_arc",
    ),
    "extractive_qa": ("adversarial_qa", "duorc", "quoref", "ropes", "squad_v2"),
    "closed_book_qa": ("kilt_tasks_hotpotqa", "trivia_qa", "web_questions", "wiki_qa"),
    "structure_to_text": ("common_gen", "wiki_bio"),
    "sentiment": ("amazon_polarity", "app_reviews", "imdb", "rotten_tomatoes", "yelp_review_full"),
    "summarization": ("cnn_dailymail", "gigaword", "multi_news", "samsum", "xsum"),
    "topic_classification": ("ag_news", "dbpedia_14", "trec"),
    "paraphrase": ("glue_mrpc", "glue_qqp", "paws"),
    "inference": ("anli", "super_glue_cb", "super_glue_rte"),
    "coreference": ("super_glue_wsc", "winogrande"),
    "sentence_completion": ("super_glue_copa", "hellaswag", "story_cloze"),
    "word_sense": ("super_glue_wic",),
}  # fmt: skip
"""Data sets of each family of T0, as prefixes of template names."""

_FAMILY_OF = {dataset: family for family, datasets in T0_DATASETS.items() for dataset in datasets}
_PREFIX = re.compile(r"^(?:t0|p3)_")
_SNI_DATASET = re.compile(r"^(?:sni_)?task\d+_([a-z0-9-]+)", re.IGNORECASE)


def load_natural_tasks(path: Path, *, families: tuple[str, ...] = (), datasets: tuple[str, ...] = ()) -> list[Task]:
    """Read natural tasks; `source` of each becomes its data set, `family` its family.

    Args:
        path: task file or folder.
        families: families to read; by default all.
        datasets: data sets to read; by default all.

    Raises:
        EvaluationError: if files are broken, or no task has one of the families and data sets.
    """
    tasks = [place_task(task) for task in load_tasks(path)]
    for option, chosen, known in (
        ("families", families, {task.family for task in tasks}),
        ("datasets", datasets, {task.source for task in tasks}),
    ):
        if unknown := [name for name in chosen if name not in known]:
            raise EvaluationError(
                f"{path} has no tasks of {option} {', '.join(unknown)}; choose from {', '.join(sorted(known))}"
            )
    found = [
        task
        for task in tasks
        if (not families or task.family in families) and (not datasets or task.source in datasets)
    ]
    if not found:
        raise EvaluationError(f"{path} has no task of these families and data sets together; name fewer")
    return found


def place_task(task: Task) -> Task:
    """Find the family and the source data set of a task by its name; other tasks keep their own family."""
    name = _PREFIX.sub("", task.name)
    datasets = [dataset for dataset in _FAMILY_OF if name == dataset or name.startswith(f"{dataset}_")]
    if datasets:
        dataset = max(datasets, key=len)
        return replace(task, family=_FAMILY_OF[dataset], source=dataset)
    if sni_number(task) is not None and (found := _SNI_DATASET.match(task.name)):
        return replace(task, source=found.group(1).lower())
    return replace(task, source=task.family)
