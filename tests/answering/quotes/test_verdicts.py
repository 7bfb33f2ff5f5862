"""Yes or no from the sentence about a question."""

import pytest

from lorify.answering.quotes.verdicts import find_verdict

HOUSE = """# House rules

## Can I bring my bike into the house?

No. The hall is narrow, so bikes stay in the yard.

## Other

The tenant may not keep dogs in the house. Cats are allowed with written consent. The pool is open; it is not heated.
Snakes may come but spiders may not. Fish are welcome and frogs are not. The minutes were approved without changes.
Smoking is forbidden. Only members may borrow tools. The sauna is closed on Mondays.
The gate is open from Saturday. It is closed on Fridays. The rent is 900 euros.
A lift is not only there, it is new. Tins are kept in a closed box. The shop opens no later than 9.
The roof was not mended because the rain came back. Is the cellar dry?
Room: Elm; Heated: no; Lift: yes.
Room: Oak; Heated: yes; Lift: no.
"""


def verdict(question: str, text: str = HOUSE, located: str = "# House") -> str:
    begin = text.index(located)
    found = find_verdict(question, text, begin, begin + len(located))
    assert found is not None
    return found.answer


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Are dogs allowed?", "No"),
        ("May the tenant keep dogs?", "No"),
        ("Are cats allowed?", "Yes"),
        ("Is the pool open?", "Yes"),
        ("Is the pool heated?", "No"),
        ("May snakes come?", "Yes"),
        ("May spiders come?", "No"),
        ("Are fish welcome?", "Yes"),
        ("Are frogs welcome?", "No"),
        ("Were the minutes approved?", "Yes"),
        ("Were there changes to the minutes?", "No"),
        ("Is smoking allowed?", "No"),
        ("Is smoking forbidden?", "Yes"),
        ("Is tidying forbidden, like smoking?", "Yes"),
        ("May members borrow tools?", "Yes"),
        ("May guests borrow tools?", "No"),
        ("Is the sauna closed on Mondays?", "Yes"),
        ("Is the sauna open on Mondays?", "No"),
        ("Is the gate open on Fridays?", "No"),
        ("Is the rent 800 euros?", "No"),
        ("Is the rent 900 euros?", "Yes"),
        ("Is the rent more than 800 euros?", "Yes"),
        ("Is the lift new?", "Yes"),
        ("Are tins kept in a box?", "Yes"),
        ("Does the shop open at 9?", "Yes"),
        ("Did the rain come back?", "Yes"),
        ("Was the roof mended?", "No"),
        ("Is Elm heated?", "No"),
        ("Does Elm have a lift?", "Yes"),
        ("Is Oak heated?", "Yes"),
        ("Does Oak have a lift?", "No"),
        ("Can I bring a bike into the house?", "No"),
    ],
)
def test_the_sentence_about_the_question_decides(question, answer):
    assert verdict(question) == answer


@pytest.mark.parametrize(
    ("question", "located"), [("Is the cellar damp or cold in winter?", "cellar"), ("Are dogs allowed?", "Other")]
)
def test_a_question_or_a_heading_is_no_evidence(question, located):
    found = find_verdict(question, HOUSE, HOUSE.index(located), HOUSE.index(located) + 1)
    assert found is not None and not found.sentence.endswith("?") and not found.sentence.startswith("#")
    assert find_verdict("Is it dry?", "# Rules\nIs it dry?", 0, 3) is None


def test_without_words_in_common_the_located_sentence_decides():
    assert verdict("Is it cosy?", "The hall is warm. The loft was never warm.", "loft") == "No"
    assert verdict("Is it cosy?", "The hall is warm. The loft was never warm.", "hall") == "Yes"


@pytest.mark.parametrize("reply", ["No.", "No, never on Sundays", "A: No. Sorry."])
def test_a_reply_after_the_question_decides_before_other_words(reply):
    assert verdict("Is the shop open?", f"Is the shop open?\n{reply}\nThe shop opens at nine.", reply) == "No"
    yes = reply.replace("No", "Yes")
    assert verdict("Is the shop open?", f"Is the shop open?\n{yes}\nThe shop is not open.", yes) == "Yes"


OFFICE = """Ink is included; paper is charged separately. The request for a second desk was rejected.
Membership is free for residents; others pay 9 euros. Dogs are not permitted, except guide dogs.
The program runs on Linux and on Haiku.
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is paper included?", "No"),
        ("Is ink included?", "Yes"),
        ("Was the second desk approved?", "No"),
        ("Was the second desk rejected?", "Yes"),
        ("Do residents have to pay?", "No"),
        ("Is membership free for residents?", "Yes"),
        ("Are guide dogs permitted?", "Yes"),
        ("Are dogs permitted?", "No"),
        ("Does the program run on Plan9?", "No"),
        ("Does the program run on Haiku?", "Yes"),
    ],
)
def test_opposite_words_exceptions_and_other_names_decide(question, answer):
    assert verdict(question, OFFICE, "Ink is") == answer
