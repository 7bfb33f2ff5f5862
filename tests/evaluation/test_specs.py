from typing import get_args

import pytest

from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import METHODS, methods_for, parse_methods
from lorify.evaluation.specs import describe_specs, update_label
from lorify.evaluation.suites.cases import CaseKind
from lorify.evaluation.suites.facts import FactsSuite
from lorify.evaluation.suites.niah import NiahSuite
from lorify.evaluation.suites.questions import QuestionsSuite
from lorify.evaluation.suites.registry import SUITES, parse_suite


def test_a_name_alone_has_the_defaults_and_is_its_own_label():
    suite = parse_suite("facts")
    assert suite == FactsSuite() and suite.label == "facts"


def test_options_are_read_and_the_label_gives_them_again():
    suite = parse_suite("niah:lengths=512+1024:samples=2")
    assert suite == NiahSuite(lengths=(512, 1024), samples=2)
    assert suite.label == "niah:lengths=512+1024:samples=2"
    assert parse_suite(suite.label) == suite


def test_a_path_is_a_suite_and_may_have_options(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("{}")
    suite = parse_suite(f"{path}:documents=3")
    assert isinstance(suite, QuestionsSuite) and suite.path == path and suite.documents == 3


def test_booleans_are_written_as_they_are_read():
    (method,) = parse_methods("adapter:only_if_relevant=false")
    assert method.label == "adapter:only_if_relevant=false"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fakts", "'fakts' does not exist; choose from facts, portraits, niah"),
        ("facts:docs=3", "docs"),
        ("facts:documents=none:seed=x", "seed"),
        ("facts:documents=0", "documents"),
        ("facts:documents", "'documents' in suite 'facts:documents' is not an option"),
        ("facts:seed=1:seed=2", "gives seed twice"),
        ("questions", "path"),
        ("niah:lengths=", "lengths"),
    ],
)
def test_every_problem_of_a_suite_is_named(text, expected):
    with pytest.raises(EvaluationError, match=expected.replace("'", ".")) as caught:
        parse_suite(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("", "no method"), ("none,none", "twice"), ("none,cd:rank=0", "rank"), ("lora", "choose")]
)
def test_wrong_methods(text, expected):
    with pytest.raises(EvaluationError, match=expected):
        parse_methods(text)


def test_one_method_may_come_with_several_options():
    assert [m.label for m in parse_methods("rag, rag:chunks=1")] == ["rag", "rag:chunks=1"]


def test_the_list_names_every_option():
    listed = describe_specs([*SUITES, *METHODS])
    for kind in (*SUITES, *METHODS):
        assert f"{kind.name}: " in listed
        assert all(f"    {key}: " in listed for key in kind.model_fields)
    assert "path: A .jsonl file" in listed and "(required)" in listed
    assert "(default None)" not in listed and "(default )" not in listed


def test_names_are_unique_for_each_kind_of_case():
    assert len({suite.name for suite in SUITES}) == len(SUITES)
    for kind in get_args(CaseKind):
        assert len(methods_for(kind)) == sum(kind in method.kinds for method in METHODS)


def test_every_suite_has_default_methods_that_can_answer_it():
    for suite in SUITES:
        assert parse_methods(suite.default_methods, suite.kind)


def test_the_option_names_of_version_0_1_are_accepted():
    (method,) = parse_methods("adapter:hypernet=runs/other/best")
    assert method.label == "adapter:hypernetwork=runs/other/best" == update_label("adapter:hypernet=runs/other/best")
    assert update_label("cd:lessons=oracle:steps=3") == "cd:train_on=test_questions:steps=3"
    assert update_label("icl") == "icl"
