"""Tests of questions that are answered with the reason that a document gives."""

import pytest
from answering.quotes.reading import evidence, quote

from lorify.answering.quotes.reasons import asks_for_reason

FERRY = (
    "The ferry to Jorsa sails at noon. It was cancelled on Monday because the engine had failed. "
    "The pier was moved. The reason was the silt in the harbour. Tickets were paid back."
)


@pytest.mark.parametrize("question", ["Why was the ferry cancelled?", "And why?", "How come it was cancelled?"])
def test_the_clause_with_the_reason_is_quoted(question):
    assert asks_for_reason(question)
    assert quote(question, evidence(FERRY, "engine")) == "because the engine had failed."


def test_a_reason_in_the_sentence_after_is_found():
    assert quote("Why was the pier moved?", evidence(FERRY, "pier")) == "The reason was the silt in the harbour."


def test_a_sentence_without_a_marker_is_quoted_whole():
    assert quote("Why did it sail late?", evidence("The ferry waited for the mail.", "mail")) == (
        "The ferry waited for the mail."
    )


def test_a_sentence_about_what_happened_is_found_by_its_words():
    assert quote("Why was the ferry cancelled?", evidence(FERRY)) == "because the engine had failed."


def test_the_answer_to_a_question_of_the_document_is_quoted():
    text = "**Why is the sauna closed?**\nSorry!\nThe heater failed an inspection.\n**Is there a shop?**\nYes."
    assert quote("Why is the sauna closed?", evidence(text)) == "The heater failed an inspection."


def test_nothing_is_quoted_where_no_sentence_is_about_it():
    assert quote("Why did the lighthouse burn?", evidence(FERRY)) is None
    assert not asks_for_reason("When was the ferry cancelled?")
