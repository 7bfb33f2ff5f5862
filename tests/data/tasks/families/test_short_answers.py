import random

import pytest

from lorify.data.tasks.families.drawn.short_answers import ShortAnswerForm, draw_short_answers_task, short_answer_forms


def test_a_form_changes_the_text_and_takes_the_label():
    form = ShortAnswerForm("LABEL: UPPER, LOWER, TITLE, JOINED-, TEXT", (), ("x",))
    assert form.write("Old mill", "Key") == "Key: OLD MILL, old mill, Old Mill, Old-mill, Old mill"


def test_text_that_is_named_like_a_change_stays():
    assert ShortAnswerForm("LOWER TEXT", (), ("",)).write("TITLE", "") == "title TITLE"


@pytest.mark.parametrize("form", short_answer_forms(), ids=lambda form: form.answer)
def test_a_form_has_descriptions_for_training_and_for_evaluation_and_uses_its_labels(form):
    assert len(set(form.descriptions)) >= 2
    uses_label = "LABEL" in form.answer
    assert uses_label == (form.labels != ("",))
    assert all(("LABEL" in description) <= uses_label for description in form.descriptions)
    assert form.write("grey Horse", form.labels[0]) != "grey Horse"


def test_a_drawn_task_contains_its_input_in_some_form():
    rng = random.Random(3)
    for number in range(40):
        spec = draw_short_answers_task(random.Random(f"seed/{number}"), str(number))
        text, answer = spec.draw_instance(rng)
        letters = [character for character in text.lower() if character.isalnum()]
        remaining = iter(answer.lower())
        assert all(letter in remaining for letter in letters), (text, answer)
