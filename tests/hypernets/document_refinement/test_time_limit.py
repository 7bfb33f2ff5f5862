"""Training takes the seconds that were asked for, and not longer because its last batch or step does."""

from itertools import count
from unittest.mock import patch

import pytest
from set_clock import SetClock, clock_of
from tiny_lorify import tiny_lorify

from lorify.base.chat.prompts import PromptBuilder
from lorify.contexts.documents import document_from_text
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter
from lorify.hypernets.adapter_training.time_limit import FIRST_ITEMS, TimeLimit
from lorify.hypernets.document_refinement.refine import refine


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    return clock_of("lorify.hypernets.adapter_training.time_limit", monkeypatch)


def limit_of(seconds: float, clock: SetClock) -> TimeLimit:
    return TimeLimit(seconds, started=clock.now)


@pytest.mark.parametrize("seconds_each", [0.01, 0.3, 1.0, 4.9])
def test_batches_are_as_large_as_there_is_time_for(clock, seconds_each):
    limit, done = limit_of(10.0, clock), 0
    for batch in limit.batches(range(200), 16):
        assert len(batch) <= 16
        done += len(batch)
        clock.now += seconds_each * len(batch)
    assert limit.elapsed <= 10.0 + 1e-6
    assert done == 200 or limit.elapsed > 10.0 - 2 * seconds_each  # no time is left unused either


def test_a_few_items_are_worked_on_whatever_the_time(clock):
    assert list(limit_of(0.0, clock).batches("abc", 16)) == ["abc"[:FIRST_ITEMS]]
    assert list(TimeLimit().batches(range(5), 3)) == [range(3), range(3, 5)]
    assert list(limit_of(1.0, clock).batches([], 3)) == []


def test_no_step_begins_that_would_end_too_late(clock):
    limit = limit_of(10.0, clock)
    for _ in limit.steps():
        clock.now += 3.0
    assert limit.elapsed == 9.0
    assert list(limit_of(0.0, clock).steps(4)) == []
    assert list(limit_of(0.0, clock).steps(4, least=1)) == [0]
    assert list(TimeLimit().steps(3)) == [0, 1, 2]


def test_refining_includes_writing_and_judging_the_questions(clock):
    model, numbers = tiny_lorify(), count()
    base = model.base
    document = document_from_text(" ".join(f"The mill of Ada{i} opens at {i}." for i in range(100)), "mills")

    def write(base, prompts, options, **settings):
        clock.now += 0.5 * len(prompts)
        return [base.encode_text(f"Which, number {next(numbers)}?") for _ in prompts]

    def focus(adapters, questions):
        clock.now += 0.2 * len(questions)
        return adapters

    with (
        patch("lorify.hypernets.document_refinement.written_questions.generate_batch", write),
        patch("lorify.hypernets.document_refinement.statement_examples.MIN_FIRST_TOKEN_PROBABILITY", 0.0),
    ):
        refined = refine(
            base,
            model.internalize(document),
            [document],
            seconds=20.0,
            prompts=PromptBuilder(base.tokenizer),
            focus=focus,
            writer=blank_adapter(base, 2, [document]),
        )
    assert refined.provenance.refined_seconds is not None
    assert 18 < refined.provenance.refined_seconds <= 20
