"""Remove training instances that overlap with evaluation texts, and whole tasks that mostly overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

NGRAM_WORDS = 10
MAX_OVERLAP_SHARE = 0.2

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Overlap:
    """Overlap of a training task with the evaluation texts.

    Attributes:
        task: name of the task.
        num_shared: instances that share an n-gram with an evaluation text.
        num_instances: all instances of the task.
        dropped: whether the whole task was removed.
    """

    task: str
    num_shared: int
    num_instances: int
    dropped: bool


def decontaminate(
    tasks: Sequence[Task],
    eval_texts: Iterable[str],
    *,
    ngram_words: int = NGRAM_WORDS,
    max_overlap_share: float = MAX_OVERLAP_SHARE,
) -> tuple[list[Task], list[Overlap]]:
    """Remove everything from training tasks that shares an n-gram of words with an evaluation text.

    A text shorter than an n-gram is compared as a whole if it has at least half as many words. Shorter texts (`yes`, a
    single word to classify) are ignored, because they occur in unrelated data sets.

    Args:
        tasks: training tasks.
        eval_texts: all texts of the evaluation: inputs with their answers.
        ngram_words: length of an n-gram, in words; case and punctuation are ignored.
        max_overlap_share: a task with a larger fraction of overlapping instances is removed completely.

    Returns:
        The remaining tasks, and the overlap of every task that has any.

    Raises:
        EvaluationError: if no task remains.
    """
    eval_ngrams = {ngram for text in eval_texts for ngram in _hash_ngrams(text, ngram_words)}
    kept: list[Task] = []
    overlaps: list[Overlap] = []
    for task in tasks:
        clean = tuple(i for i in task.instances if eval_ngrams.isdisjoint(_hash_ngrams(instance_text(i), ngram_words)))
        num_shared = len(task.instances) - len(clean)
        dropped = num_shared > max_overlap_share * len(task.instances)
        if num_shared:
            overlaps.append(Overlap(task.name, num_shared, len(task.instances), dropped))
        if not dropped:
            kept.append(replace(task, instances=clean))
    if tasks and not kept:
        raise EvaluationError("every training task overlaps with the evaluation; give other tasks to train on")
    return kept, overlaps


def instance_text(instance: Instance) -> str:
    """Return the text that `decontaminate` compares for an instance: its input and first answer."""
    return f"{instance.input}\n{instance.outputs[0]}"


def _hash_ngrams(text: str, length: int) -> set[int]:
    words = _WORD.findall(text.lower())
    if len(words) < length:
        return {hash(tuple(words))} if 2 * len(words) >= length else set()
    return {hash(tuple(words[start : start + length])) for start in range(len(words) - length + 1)}
