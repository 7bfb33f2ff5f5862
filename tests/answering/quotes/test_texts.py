"""Tests of questions that are answered with sentences of the document."""

import pytest
from answering.quotes.reading import decode, evidence
from answering.quotes.reading import quote as quoted

from lorify.answering.quotes import find_quote, quote_kind
from lorify.answering.quotes.texts import MAX_QUOTED_WORDS

RULES = (
    "House rules\nThe hostel in Torberg has forty beds and is run by the hiking club. "
    "Pets are allowed on the ground floor only. Breakfast is served from seven to nine. "
    "Guests of the hostel pay for their beds in cash. The key is under the third stone."
)


def quote(question: str, *texts: str) -> str | None:
    return quoted(question, *map(evidence, texts or (RULES,)))


SUMMARIES = [
    "Summarize the document.",
    "summarise",
    "Can you summarize this for me?",
    "Give me a short summary.",
    "Give me a one-sentence summary of the letter.",
    "Could you give me an overview of the handbook?",
    "What is this document about?",
    "what's it about",
    "In one sentence, what is this about?",
    "What are the main points of the contract?",
    "TL;DR?",
]
TOPICS = [
    "What does it say about pets?",
    "What do the house rules say about pets",
    "What is said about pets?",
    "Tell me about pets.",
    "What can you tell me about pets?",
    "Please summarize the rules for pets.",
]
OTHERS = [
    "Who wrote the summary of the report?",
    "When was the abstract published?",
    "Who gives the overview at the meeting?",
    "What is the museum's address?",
    "What is the meeting on Friday called?",
    "Tell me how long the loan lasts.",
    "Give me the name of the director.",
    "What does it cost?",
    "And when?",
    "",
]


@pytest.mark.parametrize("question", SUMMARIES)
def test_a_summary_begins_with_what_the_document_is_about(question):
    assert quote_kind(question)
    text = quote(question)
    assert text is not None and text.startswith("House rules: The hostel in Torberg has forty beds")
    assert len(text.removeprefix("House rules: ").split()) <= MAX_QUOTED_WORDS


@pytest.mark.parametrize("question", TOPICS)
def test_a_topic_is_answered_with_the_sentence_about_it(question):
    assert quote_kind(question)
    assert quote(question) == "Pets are allowed on the ground floor only."


@pytest.mark.parametrize("question", OTHERS)
def test_other_questions_are_not_answered_with_quotes(question):
    assert quote_kind(question) is None


def test_one_sentence_is_one_sentence():
    text = quote("Summarize it in one sentence.")
    assert text is not None and text.count(".") == 1


def test_nothing_is_quoted_about_what_is_not_there():
    assert quote("What does it say about parking?") is None
    assert quote("Summarize the history of Rome.") is None
    assert quote("Tell me about beds in the palace of Versailles.") is None
    assert quoted("Summarize it.") is None


def test_each_document_is_summarized():
    text = quote("Summarize the document.", RULES, "The ferry to Jorsa sails at noon every day.")
    assert text is not None and "hostel" in text and text.endswith("The ferry to Jorsa sails at noon every day.")


LETTER = """From: mara@fern.example
Date: 3 May
Subject: Re: Broken kettle

> Can I send the kettle back?

- kettle
- cable

| Kettle | Price |
|---|---|
| red | 20 |

The kettle can be sent back to our shop in Lund.

## What about the price?

Is the kettle blue?"""


def test_a_summary_is_made_of_sentences_not_of_headers_items_or_questions():
    assert quote("Summarize the mail.", LETTER) == "Broken kettle: The kettle can be sent back to our shop in Lund."


def test_a_topic_that_is_a_heading_is_answered_with_what_stands_under_it():
    text = "# Camp\n\n## Bonfires\n\nLight them on the beach only.\n\n## Dogs\n\nKeep them on a lead."
    answer = quote("What does it say about bonfires?", text)
    assert answer is not None and "Light them on the beach only." in answer and "lead" not in answer


def test_a_quote_names_where_it_stands():
    question = "What does it say about breakfast?"
    kind = quote_kind(question)
    assert kind is not None
    found = find_quote(kind, question, [evidence("Hello there.", name="mail"), evidence(RULES, name="rules")], decode)
    assert found is not None and found.source.document == "rules"
    assert found.source.sentence == "Breakfast is served from seven to nine."
