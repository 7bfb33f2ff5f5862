import random
import re

import pytest

from lorify.data.tasks import words
from lorify.data.tasks.families.slots import draw_text


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("no slot", "no slot"),
        ("<1..90> kg", r"\d{1,2} kg"),
        ("<pdf|txt>", "pdf|txt"),
        ("<@><1..9>", r"@\d"),
        ("<letter><letter>", "[A-Z]{2}"),
        ("<cities>", "|".join(words.CITIES)),
        ("The <colours:title>", "The [A-Z][a-z]+"),
    ],
)
def test_slots_are_filled(template, pattern):
    rng = random.Random(0)
    assert all(re.fullmatch(pattern, draw_text(rng, template)) for _ in range(20))


def test_the_same_seed_draws_the_same_text():
    template = "<first_names> <last_names>, <1..1000>"
    assert draw_text(random.Random(1), template) == draw_text(random.Random(1), template)
