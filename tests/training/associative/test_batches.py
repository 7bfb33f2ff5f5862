import json
import math

import pytest
from tiny import tiny_base
from training.tiny_associative_run import GENERAL, PASSAGE, TEXT, tiny_config

from lorify.data.facts.everyday import QUESTION_KINDS
from lorify.data.sources.question_kinds import KIND_OF_SOURCE
from lorify.hypernets.relevance import Relevance
from lorify.training.associative.batches import StepBuilder, find_answer_positions
from lorify.training.associative.objective import AssociativeObjective
from lorify.training.passages import prepare_everyday, prepare_passages


def with_data(config, **data):
    return config.model_copy(update={"data": config.data.model_copy(update=data)})


@pytest.fixture
def question_files(tmp_path):
    """A folder with 40 passages of each source that has kinds."""
    for source in KIND_OF_SOURCE:
        rows = [
            {
                "context": f"The {source} mill number {n} has {n} wheels and turns in wind {n * 7} of year {n * 3}.",
                "question": f"How many wheels has the {source} mill number {n}?",
                "answers": [f"{n} wheels"],
            }
            for n in range(40)
        ]
        (tmp_path / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_one_step_trains_on_questions_of_every_kind():
    base = tiny_base()
    config = with_data(tiny_config(), everyday=6, questions_per_context=len(QUESTION_KINDS))
    builder = StepBuilder(config, base, passages=[PASSAGE], general=[])
    assert set(QUESTION_KINDS) <= set(builder.build(0).kinds)
    relevance = Relevance(threshold=0.1, unseen_weight=5.0, weights={})
    objective = AssociativeObjective(config, base, train_steps=builder, heldout_steps=builder, relevance=relevance)
    loss = objective.loss(0)
    assert math.isfinite(loss.loss.item())
    assert {f"loss/{kind}" for kind in QUESTION_KINDS} <= set(loss.metrics)


def test_steps_without_everyday_contexts_stay_as_they_were_and_the_others_come_last():
    plain, more = (
        StepBuilder(with_data(tiny_config(), everyday=number), tiny_base(), passages=[PASSAGE], general=[]).build(5)
        for number in (0, 2)
    )
    assert more.chunks[: len(plain.chunks) - 1] == plain.chunks[:-1], "the last chunk is noise"


def test_natural_passages_of_every_kind_are_drawn_and_none_of_them_is_held_out(question_files):
    data = with_data(tiny_config(), everyday=4, questions_path=question_files).data
    heldout_passages = prepare_passages(data)[1]
    train, heldout = prepare_everyday(data, heldout_passages)
    assert set(train) == set(KIND_OF_SOURCE.values())
    trained = {example.documents[0] for examples in train.values() for example in examples}
    held_out = {example.documents[0] for examples in heldout.values() for example in examples}
    assert trained and held_out
    assert trained.isdisjoint(held_out | {example.documents[0] for example in heldout_passages})
    builder = StepBuilder(with_data(tiny_config(), everyday=4), tiny_base(), passages=[], everyday=train, general=[])
    drawn = {kind for step in range(8) for kind in builder.build(step).kinds}
    assert set(KIND_OF_SOURCE.values()) <= drawn
    assert prepare_everyday(data.model_copy(update={"everyday": 0}), []) == ({}, {})


def test_a_step_is_always_the_same():
    one, again = (
        StepBuilder(tiny_config(), tiny_base(), passages=[PASSAGE], texts=[TEXT], general=[GENERAL]).build(3)
        for _ in range(2)
    )
    assert (one.chunks, one.rows, one.is_focused, one.kinds) == (
        again.chunks,
        again.rows,
        again.is_focused,
        again.kinds,
    )
    assert one.mixing.equal(again.mixing)


def test_plain_texts_have_the_base_with_the_text_in_its_prompt_as_teacher():
    base = tiny_base()
    step = StepBuilder(tiny_config(), base, passages=[], texts=[TEXT], general=[]).build(0)
    segments = [segment for row in step.rows for segment in row]
    (text,) = [s for s, kind in zip(segments, step.kinds, strict=True) if kind == "texts"]
    assert base.decode_text(text.answer) == "keeps bees."
    assert TEXT.documents[0] in base.decode_text(text.teacher_prompt)
    assert TEXT.documents[0] not in base.decode_text(text.prompt)
    assert all(s.teacher_prompt is None for s in segments if s is not text)


def test_answer_positions_are_those_of_the_document():
    step = StepBuilder(tiny_config(), tiny_base(), passages=[PASSAGE], general=[]).build(0)
    found = 0
    for segment in (s for row in step.rows for s in row):
        for token, positions in zip(segment.answer, segment.answer_positions, strict=False):
            assert positions
            assert all(step.chunks[chunk][index] == token for chunk, index in positions)
            found += 1
    assert found >= 3


def test_only_whole_answers_after_the_first_token_of_a_chunk_are_found():
    chunks = {4: [7, 8, 9, 7, 8], 5: [7, 8, 7], 6: [7, 8]}
    assert find_answer_positions([7, 8], chunks) == (((4, 3),), ((4, 4),))
    assert find_answer_positions([8, 7], chunks) == (((5, 1),), ((5, 2),))
    assert find_answer_positions([9, 9], chunks) == ()
