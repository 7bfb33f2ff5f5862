"""Tests of acronyms that are spelled like common words."""

import pytest

from lorify.base.chat.acronyms import find_acronyms, mask_acronyms
from lorify.base.chat.follow_ups import may_refer_back, refers_back


@pytest.mark.parametrize(
    ("text", "acronyms"),
    [
        ("Who works in IT?", {"IT"}),
        ("Does it work in the US or for the WHO?", {"US", "WHO"}),
        ("Where is it, and who has it?", set()),
        ("WHO works there?", set()),
        ("WHERE IS IT?", set()),
        ("", set()),
    ],
)
def test_capitals_tell_acronyms_from_common_words_unless_all_is_in_capitals(text, acronyms):
    assert find_acronyms(text) == acronyms
    masked = mask_acronyms(text)
    assert len(masked) == len(text) and not any(each in masked.split() for each in acronyms)


@pytest.mark.parametrize("question", ["Who works in IT?", "How many people work in IT?", "When did IT move to the US?"])
def test_a_question_with_an_acronym_stands_alone(question):
    assert not refers_back(question)


@pytest.mark.parametrize("question", ["When did it begin?", "Who built IT AND WHEN?", "And does it work with IT?"])
def test_a_pronoun_still_refers_back(question):
    assert may_refer_back(question)
