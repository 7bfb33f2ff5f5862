import math

import pytest
import torch

from lorify.hypernets.associative.focus import (
    MIN_FACTOR,
    SHARPNESS,
    Background,
    BackgroundCache,
    compute_min_factor,
    focus_factors,
)


def test_the_tokens_of_all_documents_compete():
    first, second = focus_factors([torch.tensor([0.0, 0.5, 0.0]), torch.tensor([1.0, 0.0])])
    assert second.tolist() == pytest.approx([1.0, MIN_FACTOR])
    assert first.tolist() == pytest.approx([MIN_FACTOR, math.exp(-SHARPNESS / 2), MIN_FACTOR])


def test_without_an_answer_all_tokens_count_the_same():
    (factors,) = focus_factors([torch.full((4,), 1e-3)])
    assert factors.tolist() == [1.0] * 4


def test_a_document_without_tokens_does_not_matter():
    (factors, empty) = focus_factors([torch.tensor([0.2, 0.4]), torch.zeros(0)])
    assert factors[1] == 1 and len(empty) == 0


def test_all_other_tokens_together_weigh_the_same_however_many_there_are():
    few, many, page = compute_min_factor(torch.tensor([5, 1000, 100])).tolist()
    assert few == pytest.approx(MIN_FACTOR)
    assert 1000 * many == pytest.approx(100 * page)


def test_the_cache_keeps_the_most_recently_used_backgrounds():
    cache, computed = BackgroundCache(max_entries=2), []

    def get(key: str) -> Background:
        def compute() -> Background:
            computed.append(key)
            return Background(torch.zeros(1), torch.zeros(1))

        return cache.get(key, compute)

    first = get("a")
    get("b")
    assert get("a") is first
    get("c")  # in place of b
    assert get("a") is first and len(cache) == 2
    get("b")
    assert computed == ["a", "b", "c", "b"]
