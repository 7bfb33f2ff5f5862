"""What is measured of an answer is measured once."""

import pytest
from tiny_lorify import ForwardPasses, judging_lorify

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text

OPTIONS = GenerationOptions(4)


@pytest.fixture
def judging() -> Answerer:
    return judging_lorify().answerer


def planned(answerer: Answerer, **options):
    adapter = answerer.internalizer.internalize([document_from_text("The mill opens at nine. Its owner is Ada.")])
    return answerer.plan_query(Query("When does the mill open?", AdapterStack.of(adapter), **options))


@pytest.mark.parametrize("focus", [True, False])
def test_confidence_source_and_whether_it_is_stated_take_one_forward_pass_and_one_of_the_reader(judging, focus):
    plan = planned(judging, focus=focus)
    with ForwardPasses(judging) as plain:
        judging.answer([plan], OPTIONS)
    with ForwardPasses(judging) as passes:
        plan = planned(judging, focus=focus, not_stated="Not stated.")
        internalizing_and_planning = passes.base
        (answer,) = judging.answer([plan], OPTIONS, with_confidence=True)
        assert answer.confidence > 0.9 and answer.withheld is None and answer.source.sentence
        assert judging.stated(answer.signals) > 0.9
    to_read_the_question = 0 if focus else 1  # while planning
    assert passes.base - internalizing_and_planning == plain.base + 1 + to_read_the_question
    assert passes.reader == 1


def test_what_is_not_asked_for_is_not_measured(judging):
    plan = planned(judging, focus=False)
    with ForwardPasses(judging) as passes:
        (answer,) = judging.answer([plan], OPTIONS)
    assert answer.confidence is None and passes.reader == 0


def test_the_source_is_the_one_that_the_reader_finds_in_a_pass_of_its_own(judging):
    focused, whole = planned(judging), planned(judging, focus=False)
    assert focused.evidence != (None,) and whole.evidence == (None,)
    assert judging.signals(focused, "nine").source == judging.signals(whole, "nine").source
    assert judging.signals(focused, "nine").source.sentence == "The mill opens at nine."
