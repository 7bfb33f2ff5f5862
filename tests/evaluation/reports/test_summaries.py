import pytest
from made_up_runs import ANSWERS, make_answer

from lorify.evaluation.reports.summaries import summarize, summarize_benchmarks, summarize_lengths, summarize_pairs


def test_scores_are_means_and_relative_to_the_document_in_the_prompt():
    rows = {row["method"]: row for row in summarize(ANSWERS)}
    assert rows["icl"]["f1"] == 0.5 and rows["icl"]["f1_relative"] == 1.0
    assert rows["adapter"]["f1"] == 0.5 and rows["adapter"]["questions"] == 12
    assert rows["adapter"]["exact"] == 0.5 and rows["icl"]["exact"] == 0.0
    # Each document has one right and one wrong answer, so resampling documents changes nothing.
    assert rows["adapter"]["f1_low"] == rows["adapter"]["f1_high"] == 0.5


def test_scores_are_relative_to_the_best_baseline_with_documents_in_the_prompt():
    strong = [make_answer("icl:shots=3", f"c-{case}", f1=0.8) for case in range(6)]
    rows = {row["method"]: row for row in summarize([*ANSWERS, *strong])}
    assert rows["adapter"]["f1_relative"] == 0.625 and rows["icl"]["f1_relative"] == 0.625
    assert rows["icl:shots=3"]["f1_relative"] == 1.0


def test_containment_is_averaged_over_the_answers_that_have_it():
    (row,) = summarize([make_answer(contains=1.0), make_answer(index=1, contains=0.0), make_answer(index=2)])
    assert row["contains"] == 0.5
    (row,) = summarize([make_answer()])  # of a run before containment was recorded
    assert row["contains"] is None


def test_times_are_medians_over_the_timed_answers():
    rows = {row["method"]: row for row in summarize(ANSWERS)}
    assert rows["icl"]["first_token_seconds"] == 2.0 and rows["adapter"]["first_token_seconds"] == 0.5
    assert rows["adapter"]["adapter_mb"] == 0.0 and rows["adapter"]["answer_peak_mb"] is None


def test_an_untimed_run_still_has_update_times():
    (row,) = summarize([make_answer(update_seconds=3.0), make_answer(index=1, update_seconds=3.0)])
    assert row["update_seconds"] == 3.0 and row["first_token_seconds"] is None


def test_without_icl_there_is_no_relative_score():
    (row,) = summarize([make_answer()])
    assert row["f1_relative"] is None


def test_conditions_are_separate_rows():
    rows = summarize([make_answer(condition="0 others"), make_answer(condition="3 others", f1=0.0)])
    assert [(row["condition"], row["f1"]) for row in rows] == [("0 others", 1.0), ("3 others", 0.0)]


def test_lengths_are_binned_or_exact():
    binned = [row["length"] for row in summarize_lengths(ANSWERS) if row["method"] == "icl"]
    assert binned == [64, 128, 256, 512]
    exact = [row["length"] for row in summarize_lengths(ANSWERS, exact_lengths=True) if row["method"] == "icl"]
    assert exact == [60, 120, 180, 240, 300, 360]


def test_pairs_are_compared_on_the_questions_that_both_answered():
    (row,) = summarize_pairs(ANSWERS)
    assert (row["first"], row["second"], row["questions"]) == ("icl", "adapter", 6)
    assert row["difference"] == 0.5 and row["p"] == pytest.approx(2 / 64, abs=0.01)


def test_the_table_of_benchmarks_has_a_row_for_each_method_and_the_mean_of_its_benchmarks():
    answers = [
        make_answer(method=method, case=f"{family}/{i}", family=family, score=score, source="benchmarks")
        for method, family, scores in (
            ("none", "piqa", (1, 0, 0, 0)),
            ("none", "boolq", (1,)),
            ("adapter", "piqa", (1,)),
        )
        for i, score in enumerate(scores)
    ]
    assert summarize_benchmarks(answers) == [
        {"method": "none", "piqa": 25.0, "boolq": 100.0, "average": 62.5},
        {"method": "adapter", "piqa": 100.0, "boolq": None, "average": None},
    ]
