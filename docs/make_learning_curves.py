"""Learning curves of several runs side by side, from their TensorBoard files.

Run: python docs/make_learning_curves.py NAME=RUN_DIR NAME=RUN_DIR -o docs/images/niah-learning-curves.png
Shown are the loss on the training batches of needles and exact match on held-out ones, of each run as far as it went.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PANELS = (
    ("loss/niah", "loss on the training batch (cross-entropy)"),
    ("heldout/exact/niah", "exact match on 48 held-out needles"),
)


def read_curves(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """Points (step, value) of each panel's curve."""
    events = EventAccumulator(str(run_dir / "curves"))
    events.Reload()
    there = events.Tags()["scalars"]
    return {tag: [(p.step, p.value) for p in events.Scalars(tag)] if tag in there else [] for tag, _ in PANELS}


def main() -> None:
    """Write the plot and print the held-out numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN_DIR")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    runs = {name: read_curves(Path(folder)) for name, _, folder in (run.partition("=") for run in arguments.runs)}
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, (tag, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for name, curves in runs.items():
            points = curves[tag]
            axes.plot(*zip(*points, strict=True), marker="o" if len(points) < 10 else None, label=name)
            print(f"{name}: {tag} " + " ".join(f"{step}:{value:.2f}" for step, value in points[-8:]))
        axes.set_xlabel("step of 12 contexts")
        axes.set_title(label, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(arguments.output, dpi=110)


if __name__ == "__main__":
    main()
