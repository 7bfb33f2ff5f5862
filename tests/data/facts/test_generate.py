import random
import re
from collections.abc import Callable

import pytest

from lorify.data.facts.generate import generate_fact_example

YES_NO = {"Yes", "No"}


def examples(count: int, **options):
    return [generate_fact_example(random.Random(seed), **options) for seed in range(count)]


def test_the_same_seed_gives_the_same_example():
    first, second = (generate_fact_example(random.Random(5), num_documents=2) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("options", [{}, {"split": "heldout"}, {"num_documents": 3, "num_questions": 40}])
def test_every_answer_is_verbatim_in_a_document(options):
    for example in examples(150, **options):
        for question in example.questions:
            answer = question.answers[0]
            assert answer in YES_NO or any(answer in document for document in example.documents), question


def test_sizes_follow_the_options():
    for example in examples(60, num_documents=2, num_questions=5):
        assert len(example.documents) == 2 and len(example.questions) == 5 and example.source == "facts"
    for example in examples(30, num_facts=(2, 3), num_questions=50):
        assert 2 <= len(example.questions) <= 3


def test_documents_are_short_texts_of_different_lengths():
    lengths = sorted(len(example.documents[0].split()) for example in examples(300))
    assert lengths[0] >= 50 and lengths[-1] <= 280
    assert lengths[-15] - lengths[15] > 60


def test_no_question_occurs_twice_in_an_example():
    for example in examples(100, num_documents=3, num_questions=100):
        texts = [question.text for question in example.questions]
        assert len(set(texts)) == len(texts)


def test_many_documents_do_not_run_out_of_names():
    example = generate_fact_example(random.Random(0), split="heldout", num_documents=120, num_questions=2000)
    assert len(example.documents) == 120 and len(example.questions) > 700


def test_documents_rarely_repeat():
    documents = {example.documents[0] for example in examples(500)}
    assert len(documents) > 0.95 * 500


@pytest.mark.parametrize(
    ("is_layout", "least"),
    [
        (lambda text: "| Name |" in text, 3),
        (lambda text: "\n- " in text or "\n* " in text, 20),
        (lambda text: "Subject: " in text or "MEMO" in text, 10),
        (lambda text: re.search(r"^[A-Z][^.\n]+: [^\n]+$", text, re.MULTILINE) is not None, 20),
    ],
    ids=["table", "bullets", "memo", "properties"],
)
def test_documents_come_in_several_layouts(is_layout: Callable[[str], bool], least: int):
    assert sum(is_layout(example.documents[0]) for example in examples(400)) >= least
