"""Training tasks that overlap with what is measured: single instances go, and tasks that mostly overlap go whole."""

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
    """What a training task shares with what is measured.

    Attributes:
        task: its name.
        num_shared: instances that share a run of words with something measured.
        num_instances: all its instances.
        dropped: whether the whole task was left out.
    """

    task: str
    num_shared: int
    num_instances: int
    dropped: bool


def decontaminate(
    tasks: Sequence[Task],
    measured: Iterable[str],
    *,
    ngram_words: int = NGRAM_WORDS,
    max_overlap_share: float = MAX_OVERLAP_SHARE,
) -> tuple[list[Task], list[Overlap]]:
    """Take out of training tasks what shares a run of words with a measured text.

    A text that is shorter than a run is compared as a whole, if it has at least half as many words: shorter ones
    (`yes`, a single word to classify) say nothing about where they come from.

    Args:
        tasks: training tasks.
        measured: all texts that are measured on, inputs with their answers.
        ngram_words: length of a run, in words; case and punctuation do not count.
        max_overlap_share: a task of which more than this share of instances overlaps is dropped whole.

    Returns:
        The tasks that are left, and what was found, by task; those without overlap are not listed.

    Raises:
        EvaluationError: if nothing is left.
    """
    seen = {gram for text in measured for gram in _grams(text, ngram_words)}
    kept: list[Task] = []
    overlaps: list[Overlap] = []
    for task in tasks:
        clean = tuple(i for i in task.instances if seen.isdisjoint(_grams(instance_text(i), ngram_words)))
        num_shared = len(task.instances) - len(clean)
        dropped = num_shared > max_overlap_share * len(task.instances)
        if num_shared:
            overlaps.append(Overlap(task.name, num_shared, len(task.instances), dropped))
        if not dropped:
            kept.append(replace(task, instances=clean))
    if tasks and not kept:
        raise EvaluationError("every training task overlaps with what is measured; give other tasks to train on")
    return kept, overlaps


def instance_text(instance: Instance) -> str:
    """What `decontaminate` compares of an instance: its input and its first answer."""
    return f"{instance.input}\n{instance.outputs[0]}"


def _grams(text: str, length: int) -> set[int]:
    """Hashes of all runs of words; of the whole text where it is shorter."""
    words = _WORD.findall(text.lower())
    if len(words) < length:
        return {hash(tuple(words))} if 2 * len(words) >= length else set()
    return {hash(tuple(words[start : start + length])) for start in range(len(words) - length + 1)}
