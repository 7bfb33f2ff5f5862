import pytest
from tiny import tiny_base
from tiny_lorify import text_adapter

from lorify.answering.answerer import Answer, Answerer
from lorify.answering.checks.fidelity import check_adapter, fidelity
from lorify.contexts.documents import document_from_text
from lorify.errors import ContextError

TEXT = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
DOCUMENT = document_from_text(TEXT, "elm")
ADAPTER = text_adapter(TEXT)


class Half(Answerer):
    """Knows one of the statements with an adapter; repeats the prompt without one."""

    def answer(self, plans, options, *, with_confidence=False):
        return [Answer(self._text(plan), plan.is_on) for plan in plans]

    def _text(self, plan):
        prompt = self.base.decode_text(plan.prompt_ids)
        if not plan.is_on:
            return prompt
        return "It was 1911." if "Oak Tower" in prompt else "No idea."


def test_a_statement_is_held_if_the_answer_contains_the_expected_word():
    checked = check_adapter(Half(tiny_base()), ADAPTER, [DOCUMENT])
    assert [item.expected for item in checked] == ["48 metres", "Elm Choir", "1911"]
    assert [item.is_held for item in checked] == [False, False, True]
    assert all(item.is_held_in_context for item in checked)
    assert fidelity([item.is_held for item in checked]) == pytest.approx(1 / 3, abs=0.001)


def test_the_same_sample_of_many_statements_is_checked_in_order():
    many = document_from_text("\n".join(f"The Tower {i} of Elm was built in {1000 + i}." for i in range(90)), "many")
    seen = []
    answerer = Half(tiny_base())
    checked = check_adapter(answerer, ADAPTER, [many], max_statements=20, report=lambda *done: seen.append(done))
    years = [int(item.expected) for item in checked]
    assert len(years) == 20 and years == sorted(set(years))
    assert checked == check_adapter(answerer, ADAPTER, [many], max_statements=20)
    assert seen == [(16, 20), (4, 20)]


def test_a_document_without_statements_cannot_be_checked():
    with pytest.raises(ContextError, match="nothing to check"):
        check_adapter(Half(tiny_base()), ADAPTER, [document_from_text("so it goes")])
