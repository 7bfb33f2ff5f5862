import pytest

from lorify.evaluation.scoring.metrics import score_answer


@pytest.mark.parametrize(
    ("metric", "prediction", "answers", "score"),
    [
        ("contained", "It takes about 35 minutes to cross.", ("35 minutes",), 1.0),
        ("contained", "thirty-five minutes", ("35 minutes",), 0.0),
        ("contained", "word " * 60 + "35 minutes", ("35 minutes",), 0.0),
        ("quantity", "The price is 45 crowns.", ("45 crowns",), 1.0),
        ("quantity", "45 euros", ("45 crowns",), 0.5),
        ("quantity", "five", ("5 days",), 0.5),
        ("quantity", "twenty-five", ("25 days",), 0.5),
        ("quantity", "1,900", ("1900 euros",), 0.5),
        ("quantity", "46 crowns", ("45 crowns",), 0.0),
        ("quantity", "many", ("45 crowns",), 0.0),
        ("verdict", "No.", ("no",), 1.0),
        ("verdict", "Yes, it does.", ("no",), 0.0),
        ("verdict", "Dogs are not allowed.", ("no",), 1.0),
        ("verdict", "Dogs", ("no",), 0.0),
        ("listed", "London, Paris and Zurich", ("London", "Paris", "Zurich"), 1.0),
        ("listed", "- London\n- Paris", ("London", "Paris"), 1.0),
        ("listed", "London", ("London", "Paris", "Zurich"), 0.5),
        ("listed", "London, Rome, Madrid, Oslo, Bern", ("London",), 1 / 3),
        ("listed", "Rome", ("London", "Paris"), 0.0),
        ("word_recall", "because the old engines broke", ("the engines broke",), 1.0),
        ("word_recall", "the engines", ("the engines broke",), 0.5),
        ("key_points", "A recipe for leeks and potatoes.", ("leek", "potato", "pie"), 2 / 3),
        ("declined", "The document does not say.", ("The document does not say.",), 1.0),
        ("declined", "The price isn't mentioned in the text.", ("-",), 1.0),
        ("declined", "No information is given.", ("-",), 1.0),
        ("declined", "It says 40 euros.", ("-",), 0.0),
        ("declined", "no", ("-",), 0.0),
    ],
)
def test_answers_in_peoples_words_are_scored(metric, prediction, answers, score):
    assert score_answer(metric, prediction, answers) == pytest.approx(score)
