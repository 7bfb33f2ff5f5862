"""Requests for questions, what is learned from them, and which written questions are kept."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lorify.data.cloze.question_writing import question_writing_prompt, question_writing_tasks, select_unambiguous
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import ClozeStatement
from lorify.data.examples import Example, Question
from lorify.data.facts.single_entity import generate_single_entity_example

MUSEUM = "The Velmora Museum\n\nIt opened in 1893. It stands on Pier 4. Its cafe is closed on Monday."


def test_a_request_shows_the_beginning_the_sentence_before_and_the_sentence():
    sentences = split_sentences(MUSEUM)
    assert sentences == [
        "The Velmora Museum",
        "It opened in 1893.",
        "It stands on Pier 4.",
        "Its cafe is closed on Monday.",
    ]
    assert question_writing_prompt(sentences, 3, "Monday") == (
        "The Velmora Museum It stands on Pier 4. Its cafe is closed on Monday.\n\nAnswer: Monday"
    )
    assert question_writing_prompt(sentences, 1, "1893") == "The Velmora Museum It opened in 1893.\n\nAnswer: 1893"
    assert question_writing_prompt(sentences, 0, "Velmora") == "The Velmora Museum\n\nAnswer: Velmora"


def passage(question: str, *answers: str) -> Example:
    return Example((MUSEUM,), (Question(question, answers),), "passages")


def learned(*passages: Example) -> list[tuple[str, str]]:
    tasks = [task for task in question_writing_tasks(passages) if task.family == "passages"]
    return [(instance.input, instance.outputs[0]) for task in tasks for instance in task.instances]


def test_questions_whose_answer_stands_in_a_sentence_are_learned_in_its_place():
    kept = [passage("Where does the museum stand?", "Pier 4"), passage("What is closed on Monday?", "cafe")]
    kept *= 8  # parts with one instance only cannot be split
    assert set(learned(*kept)) == {
        (
            "The Velmora Museum It opened in 1893. It stands on Pier 4.\n\nAnswer: Pier 4",
            "Where does the museum stand?",
        ),
        (
            "The Velmora Museum It stands on Pier 4. Its cafe is closed on Monday.\n\nAnswer: cafe",
            "What is closed on Monday?",
        ),
    }
    left_out = [
        passage("Is the museum old?", "yes"),  # not in the text
        passage("When did the museum open", "1893"),  # no question mark
        passage("Question: when did the museum open?", "1893"),
        passage("Which dinosaurs lived longest?", "1893"),  # about nothing of the text
        passage("In what year did the museum open?", "189"),  # half a word
    ]
    assert learned(*(left_out * 8)) == []


def test_half_of_the_tasks_are_of_generated_documents_whose_answers_are_in_the_request():
    tasks = question_writing_tasks([passage("Where does the museum stand?", "Pier 4")] * 8, seed=3)
    assert [task.family for task in tasks] == ["generated", "passages"] * 4
    for task in tasks:
        for instance in task.instances:
            text, _, answer = instance.input.partition("\n\nAnswer: ")
            assert answer in text and instance.outputs[0].endswith("?")


def test_the_same_seed_gives_the_same_tasks_and_another_others():
    first, again, other = (question_writing_tasks([], seed) for seed in (0, 0, 1))
    assert first == again != other


def test_questions_that_say_their_answer_or_were_written_for_two_are_left_out():
    def written(question: str, answer: str) -> ClozeStatement:
        return ClozeStatement("The device is 189 by 100 cm.", question, answer)

    clear = written("How wide is the device?", "189 cm")
    kept = select_unambiguous(
        [
            clear,
            written("What is the size of the device?", "189"),
            written("What is the size of the device?", "100 cm"),
            written("Is the device 100 cm?", "100 cm"),
            written("The device", "189"),
            clear,
        ]
    )
    assert kept == [clear]


@given(st.integers(0, 10**6))
def test_every_sentence_of_a_document_is_in_it(seed):
    text = generate_single_entity_example(random.Random(seed)).documents[0]
    whole = " ".join(text.split())
    assert all(" ".join(sentence.split()) in whole for sentence in split_sentences(text))
