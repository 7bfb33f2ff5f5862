import pytest
import torch

from lorify.answering.quotes.spans import (
    MIN_ANSWER_PROBABILITY,
    MIN_SPAN_PROBABILITY,
    AskedDocuments,
    FoundSpan,
    ask_for_profession,
    asks_for_words,
    find_span,
    find_spans,
)
from lorify.hypernets.evidence import AnswerSpan, TokenEvidence


def evidence(text: str, words: str, probability: float, *, belongs: float = 1.0) -> TokenEvidence:
    begin = text.index(words)
    span = AnswerSpan(begin, begin + len(words), probability)
    return TokenEvidence("mill", [ord(c) for c in text], torch.full((len(text),), belongs), span=span)


def decode(ids) -> str:
    return "".join(map(chr, ids))


@pytest.mark.parametrize(
    "question",
    ["Who runs the mill?", "who runs the mill", "In which year was the mill built?", "And how many?",
     "The mill is old. In what year was it built?", "Can you tell me who runs the mill?"],
)  # fmt: skip
def test_a_question_for_a_name_or_a_number_may_be_answered_with_words(question):
    assert asks_for_words(question)


@pytest.mark.parametrize(
    "question",
    ["Is the mill where the river is?", "Isn't that what Ada does?", "Does Ada run the mill?", "",
     "Write a letter to the one who runs the mill.", "Summarize the document."],
)  # fmt: skip
def test_a_verdict_or_a_text_is_not_words_of_the_document(question):
    assert not asks_for_words(question)


def test_the_likeliest_words_of_all_documents_are_quoted():
    first = evidence("Ada runs the mill.", "Ada", 0.4)
    second = evidence("Berta  Holm\nruns the mill.", "Berta  Holm", 0.5)
    assert find_span([first, second], decode) == FoundSpan("Berta Holm", 0.5)


def test_words_that_are_not_likely_are_left_to_the_base():
    unlikely = evidence("Ada runs the mill.", "Ada", MIN_SPAN_PROBABILITY - 0.01)
    assert find_span([unlikely], decode) is None
    elsewhere = evidence("Ada runs the mill.", "Ada", 1.0, belongs=MIN_ANSWER_PROBABILITY - 0.01)
    assert find_span([elsewhere], decode) is None, "no document answers it"
    assert find_span([], decode) is None


@pytest.mark.parametrize(
    ("given", "is_quoted"),
    [
        ([], True),
        (["ada holm."], False),
        (["Ada"], False),
        (["the miller Ada Holm"], False),
        (["Adam"], True),
        (["It is in Lowick, where Ada Holm has her bees."], True),
    ],
)
def test_words_that_were_a_short_answer_before_are_not_quoted_again(given, is_quoted):
    document = evidence("Ada Holm runs the mill.", "Ada Holm", 0.9)
    (found,) = find_spans([AskedDocuments("And who owns it?", [document], given=given)], decode)
    assert (found.span is not None) == is_quoted


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("What was she?", "What was her profession?"),
        ("Who leads it? Ada > And what is he?", "Who leads it? Ada > And what is his profession?"),
        ("What does he do for a living?", "What is his profession?"),
        ("What did she do?", "What was her profession?"),
        ("What does she do on Sundays?", "What does she do on Sundays?"),
        ("What is it?", "What is it?"),
        ("What was he do?", "What was he do?"),
    ],
)
def test_a_question_for_what_somebody_is_asks_for_a_profession(question, asked):
    assert ask_for_profession(question) == asked
