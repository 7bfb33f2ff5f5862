"""Requests for questions, what is learned from them, and which written questions are kept."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lorify.data.cloze import question_writing
from lorify.data.cloze.question_writing import question_writing_prompt, question_writing_tasks, select_unambiguous
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import ClozeStatement
from lorify.data.examples import Example, Question
from lorify.data.facts.single_entity import generate_single_entity_example

MUSEUM = "The Velmora Museum\n\nIt opened in 1893. It stands on Pier 4. Its cafe is closed on Monday."


def test_a_request_shows_the_beginning_the_words_before_and_the_sentence(monkeypatch):
    sentences = split_sentences(MUSEUM)
    assert sentences == [
        "The Velmora Museum",
        "It opened in 1893.",
        "It stands on Pier 4.",
        "Its cafe is closed on Monday.",
    ]
    assert question_writing_prompt(sentences, 3, "Monday") == (
        "The Velmora Museum It opened in 1893. It stands on Pier 4. Its cafe is closed on Monday.\n\nAnswer: Monday"
    )
    monkeypatch.setattr(question_writing, "MAX_BEFORE_WORDS", 3)
    assert question_writing_prompt(sentences, 3) == (
        "The Velmora Museum on Pier 4. Its cafe is closed on Monday.\n\nQuestions:"
    )
    assert question_writing_prompt(sentences, 1, "1893") == "The Velmora Museum It opened in 1893.\n\nAnswer: 1893"
    assert question_writing_prompt(sentences, 0, "Velmora") == "The Velmora Museum\n\nAnswer: Velmora"


def passage(question: str, *answers: str) -> Example:
    return Example((MUSEUM,), (Question(question, answers),), "passages")


def learned(*passages: Example) -> list[tuple[str, str]]:
    tasks = [task for task in question_writing_tasks(passages) if task.family == "passages"]
    return [(instance.input, instance.outputs[0]) for task in tasks for instance in task.instances]


def test_the_questions_of_a_sentence_are_learned_and_those_of_each_of_its_answers():
    asked = [("Where does the museum stand?", "Pier 4"), ("On what does the museum stand?", "Pier 4")]
    asked += [("What does stand on Pier 4?", "It"), ("What is closed on Monday?", "cafe")]
    example = Example((MUSEUM,), tuple(Question(text, (answer,)) for text, answer in asked), "passages")
    found = {prompt: set(questions.splitlines()) for prompt, questions in learned(*[example] * 8)}
    pier, cafe = (
        f"The Velmora Museum It opened in 1893. {end}\n\n"
        for end in ("It stands on Pier 4.", "It stands on Pier 4. Its cafe is closed on Monday.")
    )
    assert found == {
        f"{pier}Questions:": {text for text, _ in asked[:3]},
        f"{pier}Answer: Pier 4": {text for text, _ in asked[:2]},
        f"{pier}Answer: It": {asked[2][0]},
        f"{cafe}Questions:": {asked[3][0]},
        f"{cafe}Answer: cafe": {asked[3][0]},
    }


def test_questions_that_cannot_be_written_from_a_sentence_are_left_out():
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
            assert answer in text and (answer or text.endswith("\n\nQuestions:"))
            questions = instance.outputs[0].splitlines()
            assert len(questions) == len(set(questions)) <= question_writing.MAX_QUESTIONS
            assert all(question.endswith("?") for question in questions)


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
