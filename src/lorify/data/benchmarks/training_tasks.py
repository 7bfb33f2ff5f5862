"""Benchmarks as training tasks: a LoRA for each is Text-to-LoRA's upper bound and the target it reconstructs."""

from __future__ import annotations

from pathlib import Path

from lorify.data.benchmarks.items import read_items
from lorify.data.benchmarks.published import PublishedBenchmark
from lorify.data.tasks.published.prompts import BENCHMARKS_SOURCE
from lorify.data.tasks.schema import Instance, Task


def benchmark_task(
    name: str, benchmark: PublishedBenchmark, descriptions: tuple[str, ...] | None, *, folder: Path | None
) -> Task:
    """Build the task of a benchmark from its training items, with the published prompts and answers.

    Args:
        name: name of the benchmark.
        benchmark: its published settings, which must have a training source.
        descriptions: the authors' descriptions; None: the evaluation's descriptions.
        folder: folder of local copies of the training items; None: the hub.

    Raises:
        EvaluationError: if the items cannot be read.
    """
    assert benchmark.training_source is not None
    items = read_items(name, folder=folder, source=benchmark.training_source)
    prefix, suffix = benchmark.answer_prefix_in_training, benchmark.answer_suffix_in_training
    return Task(
        name=name,
        definition=benchmark.descriptions[0],
        descriptions=descriptions or benchmark.descriptions,
        instances=tuple(
            Instance(item.fill(benchmark.training_prompt), (f"{prefix}{item.answer}{suffix}",)) for item in items
        ),
        metric=benchmark.metric if benchmark.metric != "program" else "exact",
        family=name,
        source=BENCHMARKS_SOURCE,
    )
