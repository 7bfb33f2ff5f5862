import random

import pytest

from lorify.data.examples import Example, Question
from lorify.data.sources.splits import split_by_passage
from lorify.errors import EvaluationError


def passages(count: int, words: int = 40) -> list[Example]:
    rng = random.Random(0)
    vocabulary = [f"word{number}" for number in range(5000)]
    texts = (" ".join(rng.choices(vocabulary, k=words)) for _ in range(count))
    return [Example((text,), (Question("What?", ("this",)),), "made") for text in texts]


def test_split_holds_out_about_the_fraction_and_loses_nothing():
    examples = passages(2000)
    train, heldout = split_by_passage(examples, 0.1)
    assert 150 < len(heldout) < 250
    assert set(train) | set(heldout) == set(examples) and not set(train) & set(heldout)
    kept = set(train)
    assert train == [example for example in examples if example in kept]
    assert split_by_passage(examples, 0.0) == (examples, [])


def test_split_depends_on_the_passages_and_the_seed_only():
    examples = passages(400)
    _, heldout = split_by_passage(examples, 0.2, seed=1)
    _, of_the_half = split_by_passage(examples[::-2], 0.2, seed=1)
    assert set(of_the_half) == set(heldout) & set(examples[::-2])
    _, other = split_by_passage(examples, 0.2, seed=2)
    assert set(other) != set(heldout)


def test_near_duplicates_go_the_same_way():
    originals = passages(300, words=80)
    retold = [
        Example((f"Once upon a time, {example.documents[0].upper().replace(' ', ', ')[:500]} and so on.",), (), "other")
        for example in originals
    ]
    train, heldout = split_by_passage(originals + retold, 0.3)
    held = {example.documents[0] for example in heldout}
    assert 0 < len(heldout) < len(train)
    for original, copy in zip(originals, retold, strict=True):
        assert (original.documents[0] in held) == (copy.documents[0] in held)


def test_short_passages_that_differ_in_marks_only_go_the_same_way():
    texts = [f"Number {number} wins" for number in range(200)]
    examples = [Example((variant,), (), "made") for text in texts for variant in (text, f"{text}!")]
    _, heldout = split_by_passage(examples, 0.5)
    assert len(heldout) > 100
    held = {example.documents[0] for example in heldout}
    assert all((text in held) == (f"{text}!" in held) for text in texts)


def test_fraction_out_of_range_is_refused():
    with pytest.raises(EvaluationError, match=r"held-out fraction 5 is out of range"):
        split_by_passage([], 5)
