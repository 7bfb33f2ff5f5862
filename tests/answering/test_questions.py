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
