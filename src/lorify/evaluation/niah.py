"""Needle in a haystack with the adapter: exact match by length and depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lorify.evaluation import plots
from lorify.evaluation.methods import Internalized, ask_together
from lorify.evaluation.metrics import exact_match, mean
from lorify.evaluation.suites import NiahSuite
from lorify.facade import Lorify


@dataclass(frozen=True)
class NiahItem:
    """One haystack: its length in tokens, the needle's depth bin, the expected number and the answer given."""

    length_tokens: int
    depth_bin: int
    expected: str
    answer: str

    @property
    def correct(self) -> float:
        """1 if the answer is the number, else 0."""
        return exact_match(self.answer, [self.expected])


def evaluate_niah(
    model: Lorify,
    *,
    lengths: Sequence[int],
    num_bins: int = 10,
    samples_per_cell: int = 1,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[NiahItem]:
    """Internalize haystacks and ask for the number, closed-book.

    Args:
        model: base and hypernetwork.
        lengths: lengths of the haystacks in tokens of the base's tokenizer.
        num_bins: depth bins.
        samples_per_cell: haystacks for each length and depth bin.
        seed: seed of the numbers and places.
        report: called with the number of haystacks done since the last call and of all.
    """
    suite = NiahSuite(lengths=tuple(lengths), bins=num_bins, samples=samples_per_cell, seed=seed)
    cases = suite.build(model)
    update = Internalized(only_if_relevant=True).load(model, suite.max_new_tokens)
    items: list[NiahItem] = []
    for case in cases:
        (question,) = case.questions
        (answer,) = ask_together(model, [(update(case), question.text)], suite.max_new_tokens)
        assert case.depth_bin is not None
        items.append(NiahItem(case.length_tokens, case.depth_bin, question.answers[0], answer))
        report(1, len(cases))
    return items


def accuracy_by_length(items: Sequence[NiahItem]) -> dict[int, float]:
    """Mean exact match of each length."""
    lengths = sorted({item.length_tokens for item in items})
    return {length: mean([i.correct for i in items if i.length_tokens == length]) for length in lengths}


def plot_heat_map(items: Sequence[NiahItem], path: Path) -> None:
    """Write the heat map of exact match over length and depth as a PNG."""
    plots.plot_heat_map([(item.length_tokens, item.depth_bin, item.correct) for item in items], path)
