import random
import re

import pytest

from lorify.data.facts.kinds import entity_kinds, fillers
from lorify.data.facts.name_values import word_lists
from lorify.data.facts.names import Names
from lorify.data.facts.values import accepted_answers, draw_value


def test_every_value_that_the_tables_specify_can_be_drawn():
    names = Names(random.Random(0), "train")
    kinds = entity_kinds()
    specifications = [relation.value for kind in kinds for relation in kind.relations if relation.value != "yesno"]
    specifications += [kind.entity for kind in kinds if kind.name != "person"]
    specifications += [slot for filler in fillers() for slot in re.findall(r"<([^>]+)>", filler)]
    assert all(draw_value(names, specification).strip() for specification in specifications)


def test_words_are_without_commas_and_surrounding_space():
    assert all(re.fullmatch(r"\w[^,]*\w", word) for words in word_lists().values() for word in words)


@pytest.mark.parametrize(
    ("value", "question", "expected"),
    [
        ("Lisbon", "Where?", ("Lisbon",)),
        ("12,500", "How many?", ("12,500", "12500")),
        ("37 kg", "How heavy is it?", ("37 kg",)),
        ("37 kg", "How many kg is it?", ("37 kg", "37")),
        ("Dr. Ines Varga", "Who?", ("Dr. Ines Varga", "Ines Varga")),
        ("March 4, 1987", "When?", ("March 4, 1987",)),
        ("three", "How many?", ("three", "3")),
        ("3", "How many?", ("3", "three")),
        ("a strike", "Why?", ("a strike", "strike")),
    ],
)
def test_other_spellings_of_an_answer_count(value, question, expected):
    assert accepted_answers(value, question) == expected
