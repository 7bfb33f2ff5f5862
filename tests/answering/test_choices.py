"""Answers out of a list of choices."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_lorify import tiny_lorify

from lorify.answering import choices as choices_module
from lorify.answering.choices import rank_choices
from lorify.answering.plan import Query
from lorify.contexts.documents import document_from_text
from lorify.errors import RequestError
from lorify.facade import Lorify

LABELS = ["ham", "spam", "a much longer label", "no"]


def test_probabilities_add_up_and_the_most_probable_choice_comes_first(model: Lorify) -> None:
    ranked = model.choose("Is it spam?", LABELS)
    assert sorted(choice.text for choice in ranked) == sorted(LABELS)
    assert sum(choice.probability for choice in ranked) == pytest.approx(1, abs=1e-5)
    assert [choice.probability for choice in ranked] == sorted((c.probability for c in ranked), reverse=True)


@settings(max_examples=10, deadline=None)
@given(st.permutations(LABELS))
def test_the_order_of_the_choices_does_not_matter(labels: list[str]) -> None:
    model = tiny_lorify()
    expected = {choice.text: choice.probability for choice in model.choose("Is it spam?", LABELS)}
    found = {choice.text: choice.probability for choice in model.choose("Is it spam?", labels)}
    assert found == pytest.approx(expected, abs=1e-5)


def test_small_batches_give_the_same_probabilities(model: Lorify, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {choice.text: choice.probability for choice in model.choose("Is it spam?", LABELS)}
    monkeypatch.setattr(choices_module, "BATCH_TOKENS", 1)
    found = {choice.text: choice.probability for choice in model.choose("Is it spam?", LABELS)}
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_probability_is_that_of_the_tokens_and_the_end_of_the_answer(model: Lorify) -> None:
    base, plan = model.base, model.answerer.plan_query(Query("What is it?"))
    weights = {}
    for text in LABELS:
        weights[text] = 0.0
        for target in (base.encode_text(text), base.encode_text(f" {text}")):
            logits = base.model(input_ids=torch.tensor([[*plan.prompt_ids, *target]])).logits[0].double()
            after = logits.softmax(-1)[len(plan.prompt_ids) - 1 :]
            tokens = math.prod(after[i, token].item() for i, token in enumerate(target))
            weights[text] += tokens * after[-1, list(base.stop_ids)].sum().item()
    for choice in rank_choices(base, plan, LABELS):
        assert choice.probability == pytest.approx(weights[choice.text] / sum(weights.values()), abs=1e-4)


def test_an_adapter_changes_the_probabilities(model: Lorify) -> None:
    adapter = model.internalize(document_from_text("The mill opens at nine. Its owner is Ada.", "mill"))
    bare = {choice.text: choice.probability for choice in model.choose("Who owns the mill?", ["Ada", "Bob"])}
    stack = model.combine([(adapter, 100.0)])
    ranked = model.choose("Who owns the mill?", ["Ada", "Bob"], stack, only_if_relevant=False)
    assert {choice.text: choice.probability for choice in ranked} != pytest.approx(bare, abs=1e-4)


@pytest.mark.parametrize(
    "labels, message",
    [
        (["one"], "between 2 and"),
        ([], "between 2 and"),
        (["a", " "], "is empty"),
        (["a", "b", "a "], "'a' is given twice"),
        ([str(i) for i in range(1000)], "1000 choices"),
        (["a", "b " * 5000], "shorten"),
    ],
)
def test_invalid_choices_are_refused_by_name(model: Lorify, labels: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message) as raised:
        model.choose("Is it spam?", labels)
    assert raised.value.param == "choices"
