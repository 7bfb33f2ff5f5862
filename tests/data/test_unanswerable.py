from lorify.data.examples import Question
from lorify.data.unanswerable import most_similar_question, without_answer

SENTENCES = [
    "The mill opens at nine. ",
    "It stands beside the river, and many people work in it every day of the year. ",
    "In winter nobody comes before ten, as the river is frozen and the wheel stands still.",
]


def test_the_sentences_with_an_answer_are_deleted():
    assert without_answer(SENTENCES, ["Nine"]) == "".join(SENTENCES[1:])


def test_a_text_without_the_answer_or_too_short_without_it_is_left_out():
    assert without_answer(SENTENCES, ["eleven"]) is None
    assert without_answer(SENTENCES[:2], ["nine"]) is None


def test_the_question_that_shares_most_words_is_found_unless_the_text_answers_it():
    questions = [
        Question("Who owns the ship?", ("Ada",)),
        Question("When does the mill open?", ("nine",)),
        Question("Who works in the mill?", ("Bo",)),
    ]
    assert most_similar_question("".join(SENTENCES), questions) == questions[2]
    assert most_similar_question("".join(SENTENCES), [questions[1]]) is None
