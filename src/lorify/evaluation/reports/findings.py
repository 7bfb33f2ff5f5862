"""Single numbers about a run on tasks: the comparisons of Text-to-LoRA, and how far a library is compressed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lorify.adapters import Adapter
from lorify.evaluation.methods.api import Method
from lorify.evaluation.methods.trained import TaskLora
from lorify.evaluation.reports.summaries import group_answers
from lorify.evaluation.reports.tables import Row
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import mean
from lorify.facade import Lorify
from lorify.hypernets.registry import weights_bytes
from lorify.hypernets.text_to_lora.library import load_library


def summarize_findings(answers: Sequence[AnswerRecord], model: Lorify, methods: Sequence[Method]) -> list[Row]:
    """Collect the findings of a run, as rows of `what` and `value`; empty unless it used the methods for tasks."""
    found = {**compare_task_scores(answers), **_library_compression(model, methods)}
    return [{"what": what, "value": value} for what, value in found.items()]


def compare_task_scores(answers: Sequence[AnswerRecord]) -> dict[str, float]:
    """Compare the scores of methods for tasks, as far as the methods are present.

    Returns:
        `of_oracle`: score of the adapter relative to the LoRAs trained on each task. `kept_of_library`: score of the
        adapters restored from a compressed library relative to the library. `gain_lost_mismatched`: share of the gain
        over the bare base model that is lost with the description of another task.
    """
    by_method = group_answers(answers, lambda a: a.method)
    score = {method: mean([a.score for a in chosen]) for method, chosen in by_method.items()}
    own = max((s for m, s in score.items() if m.startswith("oracle")), default=0.0)
    restored = next((s for m, s in score.items() if m.startswith("restored")), None)
    found: dict[str, float] = {}
    if own and "adapter" in score:
        found["of_oracle"] = round(score["adapter"] / own, 3)
    if own and restored is not None:
        found["kept_of_library"] = round(restored / own, 3)
    if {"adapter", "mismatched", "none"} <= set(score) and score["adapter"] > score["none"]:
        lost = (score["adapter"] - score["mismatched"]) / (score["adapter"] - score["none"])
        found["gain_lost_mismatched"] = round(lost, 3)
    return found


def measure_compression(adapters: Collection[Adapter], hypernetwork_bytes: int) -> dict[str, float]:
    """Measure how much smaller a task hypernetwork is than the LoRAs it stands for.

    The description encoder is not counted.

    Args:
        adapters: the LoRAs.
        hypernetwork_bytes: size of the hypernetwork on disk, with all of its files of weights.
    """
    half = sum(pair.A.numel() + pair.B.numel() for adapter in adapters for pair in adapter.weights.values()) * 2
    return {
        "library_adapters": len(adapters),
        "library_bytes": sum(adapter.num_bytes for adapter in adapters),
        "library_bytes_16_bit": half,
        "hypernetwork_bytes": hypernetwork_bytes,
        "times_smaller_than_16_bit": round(half / hypernetwork_bytes, 1),
    }


def _library_compression(model: Lorify, methods: Sequence[Method]) -> Mapping[str, float]:
    """Measure the compression where both the library and the loaded task hypernetwork answered."""
    library = next((method.path for method in methods if isinstance(method, TaskLora)), None)
    if library is None or model.task_hypernetwork is None or not any(method.needs == "tasks" for method in methods):
        return {}
    return measure_compression(load_library(library).adapters.values(), weights_bytes(model.task_hypernetwork))
