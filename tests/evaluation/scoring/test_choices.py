from lorify.evaluation.scoring.choices import nearest_choice
from lorify.evaluation.suites.imagenette import IMAGENETTE_ALIASES


def test_every_answer_counts_as_one_of_the_classes():
    choices = (("tench", "tench"), ("chain saw", "chain saw"), ("gas pump", "gas pump"), *IMAGENETTE_ALIASES.items())
    expected = {
        "Tench.": "tench",
        "It is a chainsaw!": "chain saw",
        "a fuel-pump": "gas pump",
        "the pump for gas": "gas pump",
        "Some FISH, I think": "tench",
        "tenh": "tench",
    }
    assert {text: nearest_choice(text, choices) for text in expected} == expected
    assert nearest_choice("", choices) in {choice for _, choice in choices}
