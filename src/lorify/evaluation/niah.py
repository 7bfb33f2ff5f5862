"""Needle in a haystack: exact match by length and depth, and the usual heat map."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lorify.contexts.documents import document_from_text
from lorify.data.niah import generate_niah_example
from lorify.evaluation.metrics import exact_match, mean
from lorify.facade import Lorify

ANSWER_TOKENS = 12


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
    items: list[NiahItem] = []
    total = len(lengths) * num_bins * samples_per_cell
    for length in lengths:
        for depth_bin in range(num_bins):
            rng = random.Random(f"{seed}/{length}/{depth_bin}")
            examples = [
                generate_niah_example(
                    rng,
                    length_tokens=length,
                    count_tokens=lambda text: len(model.base.encode_text(text)),
                    depth_bin=depth_bin,
                    num_bins=num_bins,
                )
                for _ in range(samples_per_cell)
            ]
            adapters = [model.internalize(document_from_text(e.documents[0], "haystack")) for e in examples]
            answers = model.ask_batch([e.questions[0].text for e in examples], adapters, max_new_tokens=ANSWER_TOKENS)
            for example, answer in zip(examples, answers, strict=True):
                items.append(NiahItem(length, depth_bin, example.questions[0].answers[0], answer))
            report(len(examples), total)
    return items


def accuracy_by_length(items: Sequence[NiahItem]) -> dict[int, float]:
    """Mean exact match of each length."""
    lengths = sorted({item.length_tokens for item in items})
    return {length: mean([i.correct for i in items if i.length_tokens == length]) for length in lengths}


def plot_heat_map(items: Sequence[NiahItem], path: Path) -> None:
    """Write the heat map of exact match over length and depth as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lengths = sorted({item.length_tokens for item in items})
    bins = sorted({item.depth_bin for item in items})
    grid = [
        [mean([i.correct for i in items if (i.length_tokens, i.depth_bin) == (length, bin_)]) for length in lengths]
        for bin_ in bins
    ]
    figure = Figure(figsize=(1.5 + 0.8 * len(lengths), 1.5 + 0.35 * len(bins)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(grid, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths], rotation=45)
    axes.set_yticks(range(len(bins)), [f"{100 * (b + 0.5) / len(bins):.0f}%" for b in bins])
    axes.set_xlabel("length of the document (tokens)")
    axes.set_ylabel("depth of the needle")
    figure.colorbar(image, ax=axes, label="exact match")
    temporary = path.with_name(f".{path.name}.png")
    figure.savefig(temporary, dpi=120)
    temporary.replace(path)
