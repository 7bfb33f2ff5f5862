import random
import string

import pytest

from lorify.contexts.texts.notes import document_notes
from lorify.data.facts.generate import generate_fact_example

RNG = random.Random(0)
PROSE = "\n\n".join(generate_fact_example(RNG, num_documents=12).documents)
TABLE = "\n".join(f"| ship {n} | {RNG.randint(1, 999)} m | {RNG.randint(1800, 2020)} |" for n in range(400))
CASES = {
    "other script": ("Музей открыт каждый день, кроме понедельника, с девяти до пяти вечера. " * 3, "other than Latin"),
    "random letters": ("".join(RNG.choices(string.ascii_lowercase, k=5000)), "random characters"),
    "random characters": ("".join(RNG.choices(string.printable, k=5000)), "random characters"),
    "base64": ("".join(RNG.choices(string.ascii_letters + string.digits + "+/", k=5000)), "encoded data"),
    "repetitions": ("The mill opens at nine. " * 100_000, "over and over"),
}


def notes(text: str, num_tokens: int = 500) -> list[str]:
    return document_notes("page.txt", text, num_tokens, max_focused_tokens=1000)


@pytest.mark.parametrize("case", CASES)
def test_a_doubtful_document_gets_one_note_that_names_it(case: str):
    text, expected = CASES[case]
    (note,) = notes(text)
    assert "page.txt" in note and expected in note


def test_a_long_document_is_told_the_limit():
    (note,) = notes(TABLE, num_tokens=1_500_000)
    assert "1,500,000 tokens" in note and "1,000" in note
    assert not document_notes("page.txt", TABLE, 1_500_000, max_focused_tokens=None)


@pytest.mark.parametrize("text", [PROSE, PROSE[:2500], TABLE, "The mill opens at nine.", "x" * 100])
def test_ordinary_documents_get_none(text: str):
    assert notes(text) == []
