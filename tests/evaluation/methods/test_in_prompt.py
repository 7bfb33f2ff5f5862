import pytest

from lorify.contexts.documents import document_from_text
from lorify.data.examples import Question
from lorify.errors import AdapterError, EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.suites.cases import Case

CASE = Case("c", ("The mill opens at nine.",), (Question("When?", ("nine",)),), "mill", 6)


def query(model, spec):
    (method,) = parse_methods(spec)
    return method.load(model, 4)(CASE).query_for("When?")


@pytest.mark.parametrize("name", ["icl", "rag"])
def test_examples_stand_before_the_document_and_its_question(model, name):
    asked = query(model, f"{name}:shots=2")
    roles = [message["role"] for message in asked.messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert asked.messages[-1]["content"] == "The mill opens at nine.\n\nWhen?"


@pytest.mark.parametrize("name", ["icl", "rag"])
def test_a_trained_lora_is_on_as_it_is_for_every_question(model, tmp_path, name):
    adapter = model.internalize(document_from_text(CASE.documents[0]))
    model.save(adapter, tmp_path / "lora")
    asked = query(model, f"{name}:lora={tmp_path / 'lora'}")
    plan = model.answerer.plan_query(asked)
    assert plan.is_on and asked.document == "The mill opens at nine."
    ((on, scale),) = plan.adapters
    assert scale == 1.0 and all((on.weights[key].B == pair.B).all() for key, pair in adapter.weights.items())


def test_a_missing_lora_is_named(model, tmp_path):
    with pytest.raises(AdapterError, match="nowhere"):
        query(model, f"icl:lora={tmp_path / 'nowhere'}")


def test_the_number_of_examples_is_limited():
    with pytest.raises(EvaluationError, match="shots"):
        parse_methods("icl:shots=40")
