import pytest
from made_up_runs import make_answer, make_config

from lorify.errors import EvaluationError
from lorify.evaluation.reports.comparison import compare_runs
from lorify.evaluation.runs.folder import append_answers, open_run


def write_run(folder, f1, method="adapter", case="c", **config):
    open_run(folder, make_config(**config))
    append_answers(folder, [make_answer(method, f"{case}-{i}", f1=f1) for i in range(12)])
    return folder


def test_a_clear_difference_is_significant_and_differing_settings_are_listed(tmp_path):
    first = write_run(tmp_path / "a", 0.0)
    second = write_run(tmp_path / "b", 1.0, hypernetwork="two")
    comparison = compare_runs(first, second)
    assert comparison.settings == ["hypernetwork: one / two"]
    (row,) = comparison.rows
    assert (row["method"], row["questions"], row["difference"]) == ("adapter", 12, 1.0)
    assert row["verdict"] == "significant" and row["p"] < 0.01


def test_a_run_does_not_differ_from_itself(tmp_path):
    run = write_run(tmp_path / "a", 0.5)
    comparison = compare_runs(run, run)
    assert comparison.settings == [] and comparison.rows[0]["verdict"] == "no significant difference"


def test_two_runs_with_one_method_each_are_compared_across_methods(tmp_path):
    first, second = write_run(tmp_path / "a", 0.0, "adapter"), write_run(tmp_path / "b", 1.0, "icl")
    assert compare_runs(first, second).rows[0]["method"] == "adapter / icl"


def test_runs_without_a_common_question_or_method_are_refused(tmp_path):
    first, second = write_run(tmp_path / "a", 0.0), write_run(tmp_path / "b", 0.0, case="d")
    with pytest.raises(EvaluationError, match="no question in common"):
        compare_runs(first, second)
    third = write_run(tmp_path / "c", 0.0, "icl")
    append_answers(third, [make_answer("none")])
    with pytest.raises(EvaluationError, match="no method in common"):
        compare_runs(first, third)
    with pytest.raises(EvaluationError, match="is not a run folder"):
        compare_runs(first, tmp_path)
