import csv

import pytest
from made_up_runs import make_answer, make_config

from lorify.errors import EvaluationError
from lorify.evaluation.reports.pooling import POOLED_NAME, REPORT_NAME, SCALING_NAME, pool_runs, write_pooled
from lorify.evaluation.runs.folder import append_answers, open_run


def write_run(folder, scores, **config):
    open_run(folder, make_config(**config))
    append_answers(folder, [make_answer("adapter", f"c-{i}", f1=score) for i, score in enumerate(scores)])
    return folder


def test_runs_of_several_seeds_are_one_row_with_an_interval_over_runs_and_documents(tmp_path):
    runs = [write_run(tmp_path / str(seed), [share] * 20) for seed, share in enumerate((0.2, 0.5, 0.8))]
    (row,) = pool_runs(runs)
    assert (row["method"], row["runs"], row["questions"], row["score"]) == ("adapter", 3, 60, 0.5)
    # All documents have the same score, so the interval comes from the runs alone.
    assert row["low"] == 0.2 and row["high"] == 0.8 and row["run_deviation"] == 0.3


def test_scores_grow_with_the_number_of_training_tasks(tmp_path):
    runs = [write_run(tmp_path / str(n), [0.0] * (8 - n) + [1.0] * n, training_tasks=16 * n) for n in (2, 4, 6)]
    rows = pool_runs(runs)
    assert [(row["training_tasks"], row["score"]) for row in rows] == [(32, 0.25), (64, 0.5), (96, 0.75)]
    write_pooled(tmp_path / "out", rows)
    assert [
        row["training_tasks"] for row in csv.DictReader((tmp_path / "out" / POOLED_NAME).read_text().splitlines())
    ] == ["32", "64", "96"]
    assert (tmp_path / "out" / SCALING_NAME).read_bytes().startswith(b"\x89PNG")
    assert SCALING_NAME in (tmp_path / "out" / REPORT_NAME).read_text()


def test_runs_that_cannot_be_pooled_are_named(tmp_path):
    first = write_run(tmp_path / "a", [1.0])
    with pytest.raises(EvaluationError, match="pool runs of one base"):
        pool_runs([first, write_run(tmp_path / "b", [1.0], base_digest="9" * 64)])
    with pytest.raises(EvaluationError, match="no answers"):
        pool_runs([write_run(tmp_path / "c", [])])
