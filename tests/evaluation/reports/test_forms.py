from made_up_runs import make_answer

from lorify.evaluation.reports.forms import summarize_forms


def test_scores_are_relative_to_the_reference_of_the_same_method():
    answers = [
        make_answer("adapter", f1=score, case=f"{condition}-{i}", condition=condition, reference=reference)
        for condition, reference, scores in (
            ("table", "table in sentences", (1.0, 0.0)),
            ("table in sentences", "", (1.0, 1.0)),
            ("list", "list in sentences", (1.0, 1.0)),
            ("list in sentences", "", (1.0, 1.0)),
        )
        for i, score in enumerate(scores)
    ]
    answers.append(make_answer("icl", f1=0.0, case="table-0", condition="table", reference="table in sentences"))
    rows = {(row["condition"], row["method"]): row["relative"] for row in summarize_forms(answers)}
    assert rows == {("all", "adapter"): 0.75, ("table", "adapter"): 0.5, ("list", "adapter"): 1.0}


def test_a_run_without_references_has_no_such_table():
    assert summarize_forms([make_answer()]) == []
