import pytest

from lorify.answering.questions import last_question


@pytest.mark.parametrize(
    "turns, num_turns",
    [
        (["How high is the tower?"], 1),
        (["How high is the tower?", "What is the capital of France?"], 1),
        (["Who designed the tower?", "When did she begin?"], 2),
        (["Who designed the tower?", "Since when?"], 2),
        (["Who leads Askvik?", "And what about Torvik?", "What about Holmsund?"], 3),
        (["How high is the tower?", "Who designed it?", "How old was she then?"], 3),
        (["Who designed it?"], 1),
        (["Who designed the tower?", "Who was that?"], 2),
        (["When does the mill open?", "And when?"], 2),
        (["When does the mill open?", "And in winter?"], 2),
        (["When does the mill open?", "But on Sundays?"], 2),
        (["What does a ticket cost?", "How much exactly?"], 2),
        (["How many mills are there?", "How many?", "In which year?"], 3),
        (["Which mill burned down?", "Why that one?"], 2),
        (["How high is the tower?", "How many mills are there?"], 1),
        (["How high is the tower?", "Which is the house that Ada built?"], 1),
        (["How high is the tower?", "How much water does a camel drink?"], 1),
        (["How high is the tower?", "And what is the capital of France?"], 1),
    ],
)
def test_the_last_question_comes_with_the_turns_that_it_refers_to(turns: list[str], num_turns: int):
    chat = [{"role": "system", "content": "Be brief."}]
    for turn in turns:
        chat += [{"role": "user", "content": turn}, {"role": "assistant", "content": "So it is."}]
    assert last_question(chat[:-1]) == "\n".join(turns[-num_turns:])
    assert last_question(chat[:1]) == ""


@pytest.mark.parametrize(
    "answer, question, expected",
    [
        ("Ada Berg", "Where was she born?", "Where was Ada Berg born?"),
        ("Ada Berg.", "Who is her brother?", "Who is Ada Berg's brother?"),
        ("Ada Berg", "Who taught her?", "Who taught Ada Berg?"),
        ("the Kestrel Trench", "How deep is it?", "How deep is the Kestrel Trench?"),
        ("The House of Usher", "Who owns its garden?", "Who owns The House of Usher's garden?"),
    ],
)
def test_a_name_that_was_just_answered_takes_the_place_of_a_pronoun(answer: str, question: str, expected: str):
    chat = [
        {"role": "user", "content": "Who is it about?"},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": question},
    ]
    assert last_question(chat) == expected


@pytest.mark.parametrize("answer", ["yes", "No.", "nine", "In 1811", "She was a singer.", "780 euros a month", ""])
def test_an_answer_that_is_no_name_does_not(answer: str):
    chat = [
        {"role": "user", "content": "How much is the rent?"},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": "When is it due?"},
    ]
    assert last_question(chat) == "How much is the rent?\nWhen is it due?"


def test_a_named_question_goes_before_those_that_refer_back_to_it():
    chat = [
        {"role": "user", "content": "Who built the mill?"},
        {"role": "assistant", "content": "Ada Berg"},
        {"role": "user", "content": "Where was she born?"},
        {"role": "assistant", "content": "in a barn"},
        {"role": "user", "content": "And when?"},
    ]
    assert last_question(chat) == "Where was Ada Berg born?\nAnd when?"


def test_an_acronym_is_not_replaced_by_the_name_that_was_answered():
    chat = [
        {"role": "user", "content": "Who leads the house?"},
        {"role": "assistant", "content": "Ada Berg"},
        {"role": "user", "content": "Does IT report to her?"},
    ]
    assert last_question(chat) == "Does IT report to Ada Berg?"
