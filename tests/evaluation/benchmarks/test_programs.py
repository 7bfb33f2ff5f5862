import pytest

from lorify.evaluation.benchmarks.programs import build_program
from lorify.evaluation.scoring.programs import passes_tests


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("    return 2 * x\n", True),
        ("```python\ndef double(x):\n    return x + x\n```\nThat doubles it.", True),
        ("    return x\n", False),
        ("    while True: pass\n", False),
    ],
)
def test_a_program_passes_if_its_tests_do(items, answer, passes):
    assert passes_tests(build_program(items["humaneval"], answer), timeout_seconds=2.0) is passes


def test_a_program_of_mbpp_is_run_with_its_assertions():
    document = {"test_setup_code": "import math", "test_list": ["assert double(2) == 4", "assert math.pi > 3"]}
    assert passes_tests(build_program(document, "def double(x):\n    return 2 * x"))
    assert not passes_tests(build_program(document, "def double(x):\n    return x"))
