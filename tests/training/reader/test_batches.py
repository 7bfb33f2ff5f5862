from pathlib import Path

from lorify.data.examples import Example, Question
from lorify.hypernets.associative.reader_training_config import ReaderData, ReaderTrainingConfig
from lorify.training.reader.batches import ContextSampler

PASSAGES = [
    Example((f"Shed {n} is {'very ' * n}red.",), (Question(f"What is shed {n}?", ("red",)),), "sheds") for n in range(6)
]
WITHOUT_ANSWER = Example(("Nothing is said.",), (Question("Is it so?", ("Yes",)),), "silent")


def sampler() -> ContextSampler:
    config = ReaderTrainingConfig(init_from=Path("start"), data=ReaderData(questions=2))
    return ContextSampler(config, [*PASSAGES, WITHOUT_ANSWER], [WITHOUT_ANSWER])


def test_an_epoch_has_every_passage_that_contains_its_answer():
    drawn = sampler()
    for epoch in (range(3), range(3, 6)):
        numbers = [i for batch in epoch for i in drawn.passages_of_batch(batch)]
        assert sorted(numbers) == list(range(6))
        assert {drawn.passages[i].source for i in numbers} == {"sheds"}
    assert not drawn.heldout


def test_each_epoch_has_an_order_of_its_own():
    drawn = sampler()
    orders = [[drawn.passages_of_batch(batch) for batch in range(start, start + 3)] for start in range(0, 30, 3)]
    assert any(order != orders[0] for order in orders)
