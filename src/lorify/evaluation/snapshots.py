"""The best snapshot of a training run by its benchmarks, and early stopping.

Source: github.com/SakanaAI/text-to-lora, `watcher.py`: 500 items of seven benchmarks, a patience of 50 checkpoints.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lorify.atomic import replaced_file
from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.reports.summaries import summarize_benchmarks
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify

SNAPSHOTS_NAME = "snapshots"
RECORD_NAME = "watch.json"
BEST_NAME = "best-by-benchmarks"
STOP_NAME = "stop.json"
PATIENCE = 50

METHOD_OF_KIND = {"task": "adapter:hypernetwork={}", "lora": "multi_task:path={}"}
"""Method that answers with what a kind of training run writes."""
HYPERDECODERS = "hyperdecoders:hypernetwork={}"

Report = Callable[[int, int], None]


@dataclass
class SnapshotWatcher:
    """Scores the snapshots of a run and keeps the best.

    Attributes:
        model: the base of the run.
        run_dir: folder of the run.
        method: method that answers with a snapshot, with a gap for its folder.
        cases: questions of the benchmarks.
        max_new_tokens: maximum answer length in tokens.
        patience: snapshots without a better one after which the run is stopped.
        scores: score of each snapshot, by its name.
    """

    model: Lorify
    run_dir: Path
    method: str
    cases: Sequence[Case]
    max_new_tokens: int
    patience: int = PATIENCE
    scores: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the scores of an earlier call."""
        path = self.run_dir / RECORD_NAME
        if path.exists():
            self.scores |= json.loads(path.read_text(encoding="utf-8"))["scores"]

    @property
    def best(self) -> str | None:
        """The snapshot with the highest score, the earliest of equals."""
        return max(sorted(self.scores), key=lambda name: self.scores[name]) if self.scores else None

    def open_snapshots(self) -> list[Path]:
        """Return the snapshots without a score, in order."""
        found = sorted((self.run_dir / SNAPSHOTS_NAME).glob("[0-9]*"))
        return [path for path in found if path.name not in self.scores and path.is_dir()]

    def score(self, snapshot: Path, report: Report = lambda done, total: None) -> float:
        """Score a snapshot, keep it if it is the best, and stop the run if the last ones were not better."""
        methods = parse_methods(self.method.format(snapshot), "tasks")
        answers = answer_cases(
            self.model, self.cases, methods, max_new_tokens=self.max_new_tokens, timed=False, report=report
        )
        (row,) = summarize_benchmarks(answers)
        score = row["average"]
        assert isinstance(score, float)
        self.scores[snapshot.name] = score
        if self.best == snapshot.name:
            self._keep(snapshot)
        self._write(RECORD_NAME, {"best": self.best, "scores": self.scores})
        if self.num_since_best >= self.patience:
            self._write(STOP_NAME, {"best": self.best, "last": snapshot.name, "patience": self.patience})
        return score

    @property
    def num_since_best(self) -> int:
        """Number of snapshots after the best one."""
        return sum(name > self.best for name in self.scores) if self.best is not None else 0

    @property
    def is_over(self) -> bool:
        """Whether the run was stopped and all of its snapshots have scores."""
        return (self.run_dir / STOP_NAME).exists() and not self.open_snapshots()

    def _keep(self, snapshot: Path) -> None:
        temporary, best = self.run_dir / f".{BEST_NAME}", self.run_dir / BEST_NAME
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(snapshot, temporary)
        shutil.rmtree(best, ignore_errors=True)
        temporary.rename(best)

    def _write(self, name: str, document: dict[str, object]) -> None:
        with replaced_file(self.run_dir / name) as path:
            path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class WatchedRun:
    """What `lorify watch` needs to know about a run.

    Attributes:
        base: name of its base.
        method: method that answers with a snapshot, with a gap for its folder.
    """

    base: str
    method: str


def read_watched_run(run_dir: Path) -> WatchedRun:
    """Read the config of a run.

    Raises:
        EvaluationError: if it cannot be read, its snapshots are not adapters for benchmarks, or it writes none.
    """
    try:
        config = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))
        kind, base, every = config["kind"], config["base"], config.get("snapshots_every")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            f"{run_dir} is not the folder of a training run; give the one of `lorify train -o`"
        ) from error
    if kind not in METHOD_OF_KIND or (kind == "lora" and not config.get("shared")):
        raise EvaluationError(
            f"{run_dir} is a run of kind {kind}, whose snapshots are not adapters for benchmarks; expected kind task, "
            "or lora with shared"
        )
    if not every:
        raise EvaluationError(f"{run_dir} writes no snapshots; train with --set snapshots_every=10000")
    is_hyperdecoders = kind == "task" and config["data"].get("adapter_from") == "prompt"
    return WatchedRun(base, HYPERDECODERS if is_hyperdecoders else METHOD_OF_KIND[kind])
