import pytest

from lorify.errors import EvaluationError
from lorify.evaluation.benchmarks.names import DESCRIPTIONS, check_benchmarks, select_benchmarks


def test_all_ten_benchmarks_have_three_descriptions():
    assert len(DESCRIPTIONS) == 10 and all(len(set(texts)) == 3 for texts in DESCRIPTIONS.values())


def test_benchmarks_are_selected_by_name_or_all_at_once():
    assert select_benchmarks("all") == list(DESCRIPTIONS)
    assert select_benchmarks(" piqa, boolq,") == ["piqa", "boolq"]
    with pytest.raises(EvaluationError, match="no benchmark is given; choose from arc_challenge"):
        select_benchmarks(",")


@pytest.mark.parametrize(
    ("name", "reason"), [("arc", "choose from arc_challenge"), ("piqa", r"no piqa\.json"), ("mbpp", "--run-programs")]
)
def test_a_benchmark_that_cannot_run_is_refused_before_any_work(data_dir, name, reason):
    with pytest.raises(EvaluationError, match=reason):
        check_benchmarks([name], data_dir, run_programs=False)


def test_permitted_programs_and_available_copies_pass(data_dir):
    check_benchmarks(["mbpp", "arc_easy"], data_dir, run_programs=True)
