from tiny import tiny_base
from training.tiny_associative_run import GENERAL, PASSAGE, TEXT, tiny_config

from lorify.training.associative.batches import StepBuilder, find_answer_positions


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
