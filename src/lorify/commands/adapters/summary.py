"""What `lorify adapter show` says of an adapter, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from lorify.commands.terminal import duration

_KEPT = {
    "tokens": "the adapter is focused on each question at once",
    "index": "the adapter is focused on each question; up to two chunks are encoded again for it",
    "none": "the adapter is the same for all questions",
}
_WIDTH = 16


def describe(summary: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that describe an adapter.

    Args:
        summary: as `--json` gives it.
    """
    for name, value in _facts(summary):
        yield f"{name:<{_WIDTH}} {value}"
    for document in summary["documents"]:
        yield f"  {document['name']}  {document['num_tokens']} tokens, SHA-256 {document['digest'][:12]}"
        if "keeps" in document:
            yield f"    keeps {document['keeps']}: {_KEPT[document['keeps']]}"


def _facts(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from lorify.hypernets.specializer import is_task_name

    yield "base", f"{summary['base_name']} (SHA-256 {summary['base_digest'][:12]})"
    digest = summary["hypernetwork_digest"]
    yield "made by", summary["hypernetwork"] + (f" (SHA-256 {digest[:12]})" if digest else "")
    yield "created", f"{summary['created']} by lorify {summary['lorify_version']}"
    yield "size", f"{summary['file_bytes'] / 1e6:.1f} MB in {summary['file_bytes']:,} bytes"
    modules = ", ".join(summary["modules"])
    rank, alpha = summary["rank"], summary["lora_alpha"]
    yield "weights", f"LoRA of rank {rank} (lora_alpha {alpha:g}) on {modules} of blocks {_ranges(summary['layers'])}"
    if summary["num_examples"]:
        yield "examples", f"{summary['num_examples']} fitted into it"
    if summary["refined_seconds"] is not None:
        yield "refined", f"for {duration(summary['refined_seconds'])}"
    if summary["studied_seconds"] is not None:
        yield "studied", f"for {duration(summary['studied_seconds'])}"
    if summary["bias_scale"] is not None:
        yield "bias scale", f"{summary['bias_scale']:g}"
    if summary["fidelity"] is not None:
        yield "fidelity", f"{summary['fidelity']:.0%} of the checked statements of its documents are answered"
    if summary["follows"] is not None:
        yield "follows", f"its description with an estimated probability of {summary['follows']:.0%}"
    if summary["needs_default_system_message"]:
        yield "chats", "with the base's default system message; another one moves into the user's turn"
    if summary["has_published_chat"]:
        yield "chats", "of Text-to-LoRA, with an empty system turn"
    num_tasks = sum(is_task_name(document["name"]) and "keeps" not in document for document in summary["documents"])
    num_texts = len(summary["documents"]) - num_tasks
    if num_tasks and not num_texts and summary["refined_seconds"] is None:
        yield "contains", f"{_counted(num_tasks, 'task')}; fixed: a new description makes a new adapter"
        return
    counts = [_counted(number, noun) for number, noun in ((num_texts, "text"), (num_tasks, "task")) if number]
    yield "contains", f"{' and '.join(counts) or 'no text'}; {_change_of(summary)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _change_of(summary: dict[str, Any]) -> str:
    """Whether texts can be added and removed, or why not."""
    if summary["can_change_documents"]:
        return "more can be added, and each can be removed"
    if summary["refined_seconds"] is not None:
        return "fixed, since the adapter was refined"
    return "fixed, since the adapter keeps nothing to rebuild it from (it is of a task, imported or a sum)"


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as ranges: `1-3, 7`."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda item: item[1] - item[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
