"""Questions that a document asks itself."""

import pytest
import torch

from lorify.answering.quotes.sections import find_section
from lorify.answering.quotes.spans import AskedDocuments, find_spans
from lorify.extraction.extractor import ExtractedWords
from lorify.hypernets.evidence import TokenEvidence

FAQ = """# Brolax kettle

## How do I descale it?

Fill it with vinegar and water.
Wait 30 minutes. Rinse it twice.

Keep the vinegar.

**How long is the warranty?**
Three years from the date of purchase.

Q: Can I put it in the dishwasher?
A: No. It must not get wet.

## What is in the box?

- a kettle
- a lid

We asked: is there a date? I have booked Friday.
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How do I descale it?", "Fill it with vinegar and water. Wait 30 minutes. Rinse it twice."),
        ("How do I descale the kettle?", "Fill it with vinegar and water. Wait 30 minutes. Rinse it twice."),
        ("How long is the warranty?", "Three years from the date of purchase."),
        ("Can I put the kettle in the dishwasher?", "No. It must not get wet."),
    ],
)
def test_the_paragraph_after_the_question_answers_it(question, answer):
    section = find_section(question, FAQ)
    assert section is not None and section.text == answer


@pytest.mark.parametrize(
    "question",
    [
        "When do I descale it?",
        "How much is the warranty?",
        "What is in the box?",
        "Is there a date?",
        "What is it?",
        "",
    ],
)
def test_other_questions_lists_and_questions_within_a_text_have_no_section(question):
    assert find_section(question, FAQ) is None


class Finder:
    """Finds some words in every text that has them."""

    def __init__(self, words: str, probability: float) -> None:
        self.words, self.probability = words, probability

    def find(self, pairs, given=()):
        begins = [max(0, text.find(self.words)) for _, text in pairs]
        return [ExtractedWords(begin, begin + len(self.words), self.probability, 0.1) for begin in begins]


@pytest.mark.parametrize(
    ("question", "probability", "answer"),
    [
        ("How long is the warranty?", 0.9, "Three years"),
        ("How long is the warranty?", 0.1, "Three years from the date of purchase."),
        ("How do I descale it?", 0.9, "Fill it with vinegar and water. Wait 30 minutes. Rinse it twice."),
        ("Can I put it in the dishwasher?", 0.1, "No"),
    ],
)
def test_an_answer_after_its_question_is_certain(question, probability, answer):
    document = TokenEvidence("faq", [ord(each) for each in FAQ], torch.full((len(FAQ),), 0.1))
    (found,) = find_spans(
        [AskedDocuments(question, [document])],
        lambda ids: "".join(map(chr, ids)),
        Finder("Three years", probability),  # pyright: ignore[reportArgumentType]
    )
    assert found.span is not None and found.span.text == answer and found.span.is_certain and found.stated == 1.0
