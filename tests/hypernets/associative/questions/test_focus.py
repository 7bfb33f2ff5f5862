import math

import pytest
import torch

from lorify.hypernets.associative.questions.focus import (
    MIN_FACTOR,
    SHARPNESS,
    Background,
    BackgroundCache,
    compute_min_factor,
    focus_factors,
    prefer_latest,
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


def test_of_documents_that_answer_a_question_the_latest_counts():
    old, new, unsure = torch.tensor([0.1, 0.95]), torch.tensor([0.9, 0.1]), torch.tensor([0.2, 0.3])
    kept = [document.tolist() for document in prefer_latest([old, unsure, new], [0.7] * 3)]
    assert kept == [[0.0, 0.0], pytest.approx([0.2, 0.3]), pytest.approx([0.9, 0.1])]
    kept = [document.tolist() for document in prefer_latest([new, old, unsure], [0.7] * 3)]
    assert kept == [[0.0, 0.0], pytest.approx([0.1, 0.95]), pytest.approx([0.2, 0.3])]


def test_a_later_document_about_another_entity_replaces_nothing():
    own, other = torch.tensor([0.1, 0.98]), torch.tensor([0.85, 0.1])
    assert all(a is b for a, b in zip(prefer_latest([own, other], [0.7, 0.28]), [own, other], strict=True))


def test_if_no_document_answers_a_question_all_of_them_count():
    unsure = [torch.tensor([0.02, 0.03]), torch.tensor([0.03, 0.01]), torch.zeros(0)]
    assert all(a is b for a, b in zip(prefer_latest(unsure, [0.5] * 3), unsure, strict=True))
