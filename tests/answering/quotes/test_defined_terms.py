"""Names in the place of the terms that contracts define."""

import pytest

from lorify.answering.quotes.defined_terms import with_defined_names


@pytest.mark.parametrize(
    "definition",
    [
        'Holm & Ost Ltd ("the Tenant")',
        "Holm & Ost Ltd (the “Tenant”)",
        'Holm & Ost Ltd (hereinafter referred to as the "Tenant")',
    ],
)
def test_a_term_that_something_is_said_of_becomes_the_name(definition):
    whole = f"A lease between {definition} and Ada Berg. The Tenant cleans the roof. For the Tenant: Bo Holm."
    said = "Holm & Ost Ltd cleans the roof. For the Tenant: Bo Holm."
    assert with_defined_names(whole, whole, "Who cleans the roof?").endswith(said)


def test_a_term_of_the_question_stays_and_so_does_a_text_without_definitions():
    whole = 'Ada Berg ("the Owner") mends the roof. The Owner pays.'
    assert with_defined_names("The Owner pays.", whole, "Who is the owner?") == "The Owner pays."
    assert with_defined_names("The Owner pays.", "The Owner pays.") == "The Owner pays."
