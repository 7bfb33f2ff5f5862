import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorify.answering.task_forms import MAX_WORDS, STAND_INS, find_form, may_have_form

FORMS = {
    "quotes": lambda text: f'"{text}"',
    "capitals": str.upper,
    "lower case": str.lower,
    "JSON": lambda text: json.dumps({"answer": text}, ensure_ascii=False),
    "twice": lambda text: f"{text}, {text}",
    "two lines": lambda text: f"{text}\n{text}",
    "a label in capitals": lambda text: f"ANSWER: {text.upper()}",
    "first letter": lambda text: text[0],
    "last word": lambda text: text.split()[-1],
}
short_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(
    lambda text: may_have_form(text) and text == text.strip()
)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(text=short_texts)
def test_the_form_of_all_answers_is_applied_to_the_text(form, text):
    found = find_form([form(stand_in) for stand_in in STAND_INS], text)
    assert found is not None and found.apply(text) == form(text)


def test_a_few_wrong_answers_do_not_matter():
    answers = [f"[{stand_in}]" for stand_in in STAND_INS]
    answers[0], answers[3] = "[banana]", "Lodon"
    found = find_form(answers, "Runthusmouth")
    assert found is not None and found.apply("Runthusmouth") == "[Runthusmouth]"


def test_what_a_base_adds_in_further_lines_is_no_part_of_the_form():
    endings = ["", "\n-", "\n- pear", "\n- and", "\n* x", "\n-\n-", "", "\n1"]
    found = find_form([f"- {s}{ending}" for s, ending in zip(STAND_INS, endings, strict=True)], "copper")
    assert found is not None and found.apply("copper") == "- copper"


@pytest.mark.parametrize(
    "answers",
    [
        list(STAND_INS),  # acts on other texts only
        ["fruit", "water", "city", "city", "food", "name", "fruit", "name"],
        [f"{s} {i}" for i, s in enumerate(STAND_INS)],
        [""] * len(STAND_INS),
    ],
    ids=["unchanged", "other words", "all different", "empty"],
)
def test_a_task_that_gives_no_form_has_none(answers):
    assert find_form(answers, "copper") is None


def test_a_form_that_pairs_of_words_do_not_have_is_for_single_words_only():
    answers = [f"<{s.replace(' ', '-')}>" for s in STAND_INS]
    assert find_form(answers, "copper") is not None
    assert find_form(answers, "copper mine") is None


@pytest.mark.parametrize("text", ["", "  ", "word " * (MAX_WORDS + 1)])
def test_empty_and_long_texts_have_no_form(text):
    assert not may_have_form(text)
