import json
from pathlib import Path

import pytest
from tiny import tiny_base
from training.small_tasks import echo_task, lora_config, task_config, train

from lorify.answering.answerer import Answer, Answerer
from lorify.errors import EvaluationError
from lorify.evaluation.snapshots import SnapshotWatcher, read_watched_run
from lorify.evaluation.suites.benchmarks import BenchmarksSuite
from lorify.facade import Lorify
from lorify.training.engine.run_folder import snapshot_path


@pytest.fixture
def tasks_path(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    for answer in ("red", "blue", "green"):
        (folder / f"{answer}.json").write_text(json.dumps(echo_task(answer, answer, answer)))
    return folder


@pytest.fixture
def cases(tmp_path: Path):
    row = {"goal": "Boil", "sol1": "w", "sol2": "x", "label": 1}
    (tmp_path / "piqa.jsonl").write_text(json.dumps(row) + "\n")
    suite = BenchmarksSuite(names=("piqa",), path=tmp_path, split="validation", descriptions=1)
    model = Lorify(tiny_base(), None)
    return model, suite.build(model)


def watch(run_dir: Path, model: Lorify, cases, patience: int = 50) -> SnapshotWatcher:
    return SnapshotWatcher(model, run_dir, read_watched_run(run_dir).method, cases, 4, patience)


@pytest.mark.parametrize("make_config", [task_config, lora_config])
def test_the_best_snapshot_is_kept_and_the_run_ends_after_the_patience(
    tmp_path, tasks_path, cases, monkeypatch, make_config
):
    model, questions = cases
    kind = {"shared": True} if make_config is lora_config else {}
    config = make_config(tasks_path, snapshots_every=1, optimization={"steps": 6}, **kind)
    train(config, tmp_path / "run", stops=(3,))
    replies = iter(["1", "0", "0"])

    def answer(self, plans, options, *, with_confidence=False):
        return [Answer(next(replies) if plan.is_on else "", plan.is_on) for plan in plans]

    monkeypatch.setattr(Answerer, "answer", answer)
    watcher = watch(tmp_path / "run", model, questions, patience=2)
    assert [path.name for path in watcher.open_snapshots()] == ["00000001", "00000002", "00000003"]
    assert [watcher.score(path) for path in watcher.open_snapshots()] == [100.0, 0.0, 0.0]
    assert (watcher.best, watcher.num_since_best, watcher.is_over) == ("00000001", 2, True)
    kept = {p.name: p.read_bytes() for p in (tmp_path / "run" / "best-by-benchmarks").iterdir()}
    assert kept == {p.name: p.read_bytes() for p in snapshot_path(tmp_path / "run", 1).iterdir()}
    again = watch(tmp_path / "run", model, questions)
    assert again.scores == watcher.scores and not again.open_snapshots()
    trainer, _ = train(config, tmp_path / "run")
    assert trainer.step == 4, "the run ended at its next snapshot"


def test_other_folders_are_named(tmp_path, tasks_path):
    with pytest.raises(EvaluationError, match="is not the folder of a training run"):
        read_watched_run(tmp_path)
    train(task_config(tasks_path), tmp_path / "run")
    with pytest.raises(EvaluationError, match="writes no snapshots"):
        read_watched_run(tmp_path / "run")
    train(lora_config(tasks_path, snapshots_every=2), tmp_path / "library")
    with pytest.raises(EvaluationError, match="a run of kind lora, whose snapshots are not adapters for benchmarks"):
        read_watched_run(tmp_path / "library")
