import pytest
from tiny_lorify import Reader

from lorify.evaluation.suites.registry import parse_suite

SUITES = [
    "facts:documents=3",
    "portraits:documents=3",
    "niah:lengths=300:bins=3",
    "interference:documents=2:others=0+2",
    "query:documents=2",
    "agreement:documents=2:prompts=5",
    "many:documents=1:questions=30",
]


@pytest.mark.parametrize("text", SUITES)
def test_the_same_options_give_the_same_cases_with_unique_names(text):
    suite = parse_suite(text)
    cases = suite.build(Reader())
    assert cases == suite.build(Reader())
    assert len({case.id for case in cases}) == len(cases) > 0
    assert all(case.documents and case.questions and case.length_tokens > 0 for case in cases)
