import random
from collections import Counter

import pytest

from lorify.data.examples import Example, Question
from lorify.errors import TrainingError
from lorify.training.doc_to_lora.mixture import (
    ByContext,
    ByQuestion,
    ListedShard,
    group_questions,
    mixture_probabilities,
)


def contexts(name: str, *num_questions: int) -> list[Example]:
    return [
        Example((f"{name}{i}",), tuple(Question(f"{j}", ("a",)) for j in range(count)), "x")
        for i, count in enumerate(num_questions)
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([600, 400], [0.6, 0.4]),
        # 10 of 10,000 are 0.1%, so 1%; the others share 99%: 0.99 * 7000 / 9990 and 0.99 * 2990 / 9990.
        ([7000, 2990, 10], [0.693694, 0.296306, 0.01]),
        # Exactly 1% counts as small.
        ([99, 1], [0.99, 0.01]),
        ([5], [1.0]),
    ],
)
def test_mixture_probabilities_by_hand(sizes, expected):
    assert mixture_probabilities(sizes) == pytest.approx(expected, abs=1e-6)
    assert sum(mixture_probabilities(sizes)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "max_questions", "expected"),
    [
        ([10, 10, 10], None, 1, [[0], [1], [2]]),
        ([10, 10, 10], None, 5, [[0, 1, 2]]),
        ([10, 10, 10], 20, 5, [[0, 1], [2]]),
        ([10, 30, 10], 20, 5, [[0, 2]]),  # the long one is dropped, and the next one still fits
        ([15, 10, 5, 20], 20, 5, [[0], [1, 2], [3]]),
        ([30], 20, 5, []),
        ([5, 5, 5, 5, 5], 20, 2, [[0, 1], [2, 3], [4]]),
    ],
)
def test_questions_form_samples_as_published(lengths, max_tokens, max_questions, expected):
    assert group_questions(lengths, max_tokens=max_tokens, max_questions=max_questions) == expected


def test_contexts_are_drawn_by_their_questions_or_all_alike():
    listed = contexts("a", 9, 1)
    rng = random.Random(0)
    by_question = ByQuestion([ListedShard(listed)]).window(rng)
    drawn = Counter(by_question(rng).documents[0] for _ in range(2000))
    assert 0.87 < drawn["a0"] / 2000 < 0.93
    by_context = ByContext(listed).window(rng)
    drawn = Counter(by_context(rng).documents[0] for _ in range(2000))
    assert 0.46 < drawn["a0"] / 2000 < 0.54


def test_a_small_set_makes_up_a_hundredth():
    draw = ByQuestion([ListedShard(contexts("a", *[10] * 100)), ListedShard(contexts("b", 1))]).window(random.Random(0))
    rng = random.Random(1)
    drawn = Counter(draw(rng).documents[0][0] for _ in range(20_000))
    assert 0.007 < drawn["b"] / 20_000 < 0.013


class ManyShards:
    """A set of 40 shards, of which those with odd numbers have three times as many questions."""

    num_questions = 80

    @property
    def shards(self) -> list[ListedShard]:
        return [ListedShard(contexts(f"{i}-", 1, 2) if i % 2 else contexts(f"{i}-", 1)) for i in range(40)]


def test_a_window_draws_from_few_shards_and_all_windows_from_all():
    source, rng = ByQuestion([ManyShards()]), random.Random(0)

    def shards_of(seed: int) -> Counter:
        draw = source.window(random.Random(seed))
        return Counter(int(draw(rng).documents[0].split("-")[0]) for _ in range(60))

    windows = [shards_of(seed) for seed in range(60)]
    assert max(map(len, windows)) <= 8
    assert len(set().union(*windows)) == 40
    odd = sum(count for window in windows for shard, count in window.items() if shard % 2)
    assert 0.65 < odd / 3600 < 0.85


def test_a_shard_whose_metadata_promised_questions_it_lacks_gives_a_context_without_any():
    class Promising(ListedShard):
        @property
        def num_questions(self) -> int:
            return 1

    draw = ByQuestion([Promising(contexts("a", 0))]).window(random.Random(0))
    assert draw(random.Random(0)).questions == ()


def test_sets_without_any_question_are_said():
    draw = ByQuestion([ListedShard(contexts("a", 0, 0))]).window(random.Random(0))
    with pytest.raises(TrainingError, match="no context has a question to draw"):
        draw(random.Random(0))
