import sys

import pytest

from lorify.errors import EvaluationError
from lorify.evaluation.benchmarks.lm_eval_tasks import load_lm_eval, local_task


def test_lettered_options_are_chosen_by_letter_and_endings_by_their_text(data_dir):
    assert "'A'" in local_task("arc_easy", data_dir)["doc_to_choice"]
    assert local_task("hellaswag", data_dir)["doc_to_choice"] == "{{choices}}"


def test_word_problems_are_scored_by_the_last_number(data_dir, items):
    score = local_task("gsm8k", data_dir)["process_results"]
    assert score(items["gsm8k"], [["so 2 + 2 = 4."]]) == {"acc": 1.0}
    assert score(items["gsm8k"], ["5"]) == {"acc": 0.0}


def test_a_missing_lm_eval_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(EvaluationError, match=r"lorify\[bench\]"):
        load_lm_eval()
