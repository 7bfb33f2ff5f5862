from collections.abc import Iterator
from itertools import pairwise

from training.small_perceiver import objective

from lorify.training.doc_to_lora.carry_over import NUM_STREAMS, WINDOW_BATCHES, Streams


def test_batches_do_not_depend_on_the_order_they_are_asked_for_in():
    started = []

    def start(window: int, stream: int) -> Iterator[tuple[int, int, int]]:
        started.append((window, stream))
        index = 0
        while True:
            yield window, stream, index
            index += 1

    in_order = Streams(start)
    found = [in_order.batch(n) for n in range(3 * NUM_STREAMS)]
    assert found[:2] == [(0, 0, 0), (0, 1, 0)] and found[NUM_STREAMS + 1] == (0, 1, 1)
    assert len(started) == NUM_STREAMS  # each stream was started once
    assert Streams(start).batch(2 * NUM_STREAMS + 5) == found[2 * NUM_STREAMS + 5]
    assert in_order.batch(3) == found[3]
    assert in_order.batch(WINDOW_BATCHES + 2) == (1, 2, 0)


def lengths(carry_over: bool) -> list[int]:
    """Lengths of the contexts in 24 batches that follow one another."""
    batches = objective(
        data__carry_over=carry_over, data__facts=0, data__niah_min_tokens=120, data__niah_max_tokens=700,
        data__batch_context_tokens=1500, hypernetwork__chunk_tokens=400, data__chunk_probabilities=[1.0],
        data__batch_question_tokens=10_000,
    ).train_batches  # fmt: skip
    rows = [batches.build(NUM_STREAMS * i) for i in range(12)] + [batches.build(NUM_STREAMS * i + 1) for i in range(12)]
    return [row.num_context_tokens for batch in rows for row in batch]


def test_the_context_that_overflows_begins_the_next_batch():
    batches = objective(data__carry_over=True).train_batches
    found = [batches.build(NUM_STREAMS * i) for i in range(4)]
    assert [batches.build(NUM_STREAMS * i) for i in range(4)] == found
    assert objective(data__carry_over=True).train_batches.build(3 * NUM_STREAMS) == found[3]
    for batch, after in pairwise(found):
        total = sum(row.num_context_tokens for row in batch) + after[0].num_context_tokens
        asked = sum(row.num_question_tokens for row in batch) + after[0].num_question_tokens
        assert total > 1600 or asked > 900


def test_long_contexts_are_as_frequent_as_they_are_drawn():
    kept, dropped = lengths(carry_over=True), lengths(carry_over=False)
    # Drawn evenly from 120 to 700 tokens, half of them are above 410.
    long = [sum(n > 410 for n in found) / len(found) for found in (kept, dropped)]
    assert long[0] > 0.42 and long[0] > long[1]
