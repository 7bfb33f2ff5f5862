from dataclasses import dataclass

import pytest
from tiny import tiny_base

from lorify.contexts.documents import document_from_text
from lorify.errors import EvaluationError
from lorify.evaluation.scoring.fidelity import check_adapter, fidelity

TEXT = "The Elm Bridge is 48 metres long. Ada Moor leads the Elm Choir. The Oak Tower was built in 1911."
DOCUMENT = document_from_text(TEXT, "elm")


@dataclass
class Half:
    """Knows one of the statements; says the whole document where it is in the prompt."""

    base: object

    def for_question(self, adapter, question, *, only_if_relevant=True, focus=True):
        return adapter

    def ask_batch(self, questions, adapters, *, documents, only_if_relevant, max_new_tokens, turns=None):
        pairs = zip(questions, documents, strict=True)
        return [text or ("It was 1911." if "Oak Tower" in question else "No idea.") for question, text in pairs]


def test_a_statement_is_held_if_the_answer_contains_what_was_asked_for():
    checked = check_adapter(Half(tiny_base()), object(), [DOCUMENT])
    assert [item.expected for item in checked] == ["48 metres", "Elm Choir", "1911"]
    assert [item.is_held for item in checked] == [False, False, True]
    assert all(item.is_held_in_context for item in checked)
    assert fidelity(checked) == pytest.approx(1 / 3)


def test_of_many_statements_the_same_sample_is_asked_in_order():
    many = document_from_text("\n".join(f"The Tower {i} of Elm was built in {1000 + i}." for i in range(90)), "many")
    seen = []
    checked = check_adapter(
        Half(tiny_base()), object(), [many], max_statements=20, report=lambda *done: seen.append(done)
    )
    years = [int(item.expected) for item in checked]
    assert len(years) == 20 and years == sorted(set(years))
    assert checked == check_adapter(Half(tiny_base()), object(), [many], max_statements=20)
    assert seen == [(16, 20), (4, 20)]


def test_a_document_without_statements_cannot_be_checked():
    with pytest.raises(EvaluationError, match="nothing to check"):
        check_adapter(Half(tiny_base()), object(), [document_from_text("so it goes")])
