"""Values of the reference implementation's functions, worked out by hand."""

import pytest

from lorify.data.benchmarks.items import ANSWER_MARK, DEFINITIONS_MARK
from lorify.evaluation.scoring.metrics import score_answer


@pytest.mark.parametrize(
    ("metric", "prediction", "right", "score"),
    [
        ("choice", "B: the door", "B", 1),
        ("choice", " `(b)`", "B", 1),
        ("choice", "The answer is B", "B", 0),  # its first letter is t
        ("choice", "1", "1", 1),
        ("choice", "10", "1", 1),
        ("choice", "", "A", 0),
        ("boolean", "Yes, it does.", "True", 1),
        ("boolean", "I know that it is true", "True", 0),  # `no` in `know` comes before `true`
        ("boolean", "FALSE", "False", 1),
        ("boolean", "perhaps", "False", 0),
        ("boolean", "invalid", "True", 1),  # holds `valid`
        ("last_number", "so 3 + 4 = 7.0", "#### 7", 1),
        ("last_number", "1,080", "#### 1,080", 1),
        ("last_number", "$80", "#### 1,080", 1),  # both end in the digits 080
        ("last_number", "none", "#### 7", 0),
    ],
)
def test_answers_are_compared_as_published(metric, prediction, right, score):
    assert score_answer(metric, prediction, (right,)) == score


def test_a_program_is_run_with_its_tests_up_to_the_end_of_the_block():
    tests = f"def double(x):\n{ANSWER_MARK}\nassert double(2) == 4"
    assert score_answer("program", "    return 2 * x\n```\nThis is wrong python.", (tests,)) == 1
    assert score_answer("program", "    return 3 * x\n```", (tests,)) == 0


def test_of_a_program_that_stands_alone_only_the_definitions_count():
    tests = f"{DEFINITIONS_MARK}\nassert double(2) == 4"
    answer = "import math\ndef double(x):\n    return 2 * x\n\nassert double(1) == 3\nHere it ends"
    assert score_answer("program", answer, (tests,)) == 1
    assert score_answer("program", "no python", (tests,)) == 0
