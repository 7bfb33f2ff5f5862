import random
import re
import time
from collections import Counter

import pytest

from lorify.data.sources.niah import NEEDLE, NOISE_BLOCK, QUESTION, generate_niah_example
from lorify.errors import EvaluationError


def count_words(text: str) -> int:
    """A tokenizer that has words, single digits, marks and newlines as tokens."""
    return len(re.findall(r"[A-Za-z]+|\d|[^\w\s]|\n", text))


def count_words_merged_newline(text: str) -> int:
    """A tokenizer that takes a newline into the full stop before it and adds a start token."""
    return 1 + len(re.findall(r"[A-Za-z]+|\d{1,3}|\.\n?", text))


@pytest.mark.parametrize("count_tokens", [count_words, count_words_merged_newline])
@pytest.mark.parametrize("length_tokens", [16, 32, 57, 100, 1024])
@pytest.mark.parametrize("depth_bin", [0, 4, 9])
def test_document_fills_the_length_within_one_block(count_tokens, length_tokens, depth_bin):
    example = generate_niah_example(
        random.Random(0), length_tokens=length_tokens, count_tokens=count_tokens, depth_bin=depth_bin
    )
    (document,) = example.documents
    assert count_tokens(document) <= length_tokens < count_tokens(document + "\n" + NOISE_BLOCK)


def test_document_is_noise_with_one_needle_that_holds_the_answer():
    example = generate_niah_example(random.Random(3), length_tokens=500, count_tokens=count_words)
    (question,) = example.questions
    (number,) = question.answers
    assert re.fullmatch(r"\d{4}", number)
    assert question.text == QUESTION and example.source == "niah"
    assert Counter(example.documents[0].split("\n")) == {
        NOISE_BLOCK: len(example.documents[0].split("\n")) - 1,
        NEEDLE.format(number=number): 1,
    }


def needle_depth(document: str, number: str) -> float:
    lines = document.split("\n")
    return lines.index(NEEDLE.format(number=number)) / len(lines)


def test_needle_lies_in_the_depth_bin_asked_for():
    for depth_bin in range(10):
        for seed in range(20):
            example = generate_niah_example(
                random.Random(seed), length_tokens=3000, count_tokens=count_words, depth_bin=depth_bin
            )
            depth = needle_depth(example.documents[0], example.questions[0].answers[0])
            assert depth_bin / 10 - 0.01 <= depth < (depth_bin + 1) / 10


def test_random_depth_reaches_every_bin_and_numbers_keep_leading_zeros():
    rng = random.Random(0)
    examples = [generate_niah_example(rng, length_tokens=1000, count_tokens=count_words) for _ in range(400)]
    numbers = [example.questions[0].answers[0] for example in examples]
    bins = Counter(
        int(10 * needle_depth(example.documents[0], n)) for example, n in zip(examples, numbers, strict=True)
    )
    assert set(bins) == set(range(10)) and min(bins.values()) > 15
    assert any(number.startswith("0") for number in numbers)


def test_same_seed_gives_the_same_example():
    first, second = (
        generate_niah_example(random.Random(7), length_tokens=200, count_tokens=count_words) for _ in range(2)
    )
    assert first == second


def test_long_haystack_counts_only_a_few_lines():
    counted: list[int] = []

    def count_tokens(text: str) -> int:
        counted.append(len(text))
        return count_words(text)

    start = time.perf_counter()
    example = generate_niah_example(random.Random(0), length_tokens=131_072, count_tokens=count_tokens)
    assert time.perf_counter() - start < 1
    assert sum(counted) < 2000
    assert 131_072 - count_words(NOISE_BLOCK) - 1 < count_words(example.documents[0]) <= 131_072


def test_length_below_the_needle_is_refused():
    with pytest.raises(EvaluationError, match=r"8 tokens cannot hold the needle; use at least 10"):
        generate_niah_example(random.Random(0), length_tokens=8, count_tokens=count_words)


def test_unknown_depth_bin_is_refused():
    with pytest.raises(EvaluationError, match="depth bin 10 does not exist; expected 0 to 9"):
        generate_niah_example(random.Random(0), length_tokens=100, count_tokens=count_words, depth_bin=10)
