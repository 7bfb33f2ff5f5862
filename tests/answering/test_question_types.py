import pytest

from lorify.answering.question_types import fits_question


@pytest.mark.parametrize(
    ("question", "answer", "fits"),
    [
        ("Who approves travel?", "Marta Oyelaran", 1.0),
        ("Who approves travel?", "48 hours", -1.0),
        ("When does it open?", "9:15", 1.0),
        ("On which day were you born?", "Tuesday", 1.0),
        ("When does it open?", "the baker", -1.0),
        ("How many wolves are there?", "twelve", 1.0),
        ("How much does it cost?", "a lot", -1.0),
        ("Where is the office?", "beside the mill", 1.0),
        ("Where is the office?", "1970", -1.0),
        ("May dogs come in?", "no", 1.0),
        ("May dogs come in?", "Tuesday", -1.0),
        ("What does it produce?", "paper", 0.0),
    ],
)
def test_an_answer_fits_the_type_that_the_question_asks_for(question, answer, fits):
    assert fits_question(question, answer) == fits
