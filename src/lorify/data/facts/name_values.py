"""Values that are names or words: people, places, organizations, products, titles and entries of word lists."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from lorify.data.facts.names import Names
from lorify.data.facts.number_values import draw_by_digits, draw_code
from lorify.data.tables import load_table

MODEL_WORDS = ("Pro", "Mini", "Plus", "Max", "One", "Air", "Duo", "Lite")
UNIVERSITY_FORMS = ("University of {}", "{} Institute of Technology", "{} Academy", "College of {}")
TITLE_FORMS = ("The {} {} of {}", "{} {}: {}", "A {} {} in {}")
PERSON_TITLES = ("Dr. ", "Prof. ", "Captain ")


@cache
def word_lists() -> dict[str, Sequence[str]]:
    """Return the word lists by name."""
    return load_table("lorify.data.facts", "words")


def draw_word(names: Names, *lists: str) -> str:
    """Draw a word or phrase from one of the lists."""
    return names.rng.choice(word_lists()[names.rng.choice(lists)])


def draw_person(names: Names) -> str:
    """Draw a full name; one in ten has a title."""
    title = names.rng.choice(PERSON_TITLES) if names.rng.random() < 0.1 else ""
    return title + names.person().full


def draw_town(names: Names) -> str:
    """Draw a town."""
    return names.town()


def draw_name(names: Names, *forms: str) -> str:
    """Draw an invented name: form `Prize` or `{}_Prize` gives `Kaldor Prize`, `Mount_{}` gives `Mount Kaldor`."""
    form = names.rng.choice(forms).replace("_", " ")
    return form.format(names.stem()) if "{}" in form else f"{names.stem()} {form}"


def draw_company(names: Names) -> str:
    """Draw a company, named after a stem or its founders."""
    form = names.rng.random()
    if form < 0.7:
        return f"{names.stem()} {draw_word(names, 'company_kind')}"
    if form < 0.85:
        return f"{names.surname()} & {names.surname()}"
    return f"{names.surname()} {draw_word(names, 'company_kind')}"


def draw_model(names: Names) -> str:
    """Draw a product: a brand and a model number."""
    if names.rng.random() < 0.6:
        ending = draw_code(names)
    else:
        ending = f"{names.rng.choice(MODEL_WORDS)} {names.rng.randint(2, 99)}"
    return f"{names.stem()} {ending}"


def draw_shipment(names: Names) -> str:
    """Draw a shipment, identified by a number."""
    return f"{names.rng.choice(('Shipment', 'Consignment'))} {draw_code(names)}"


def draw_university(names: Names) -> str:
    """Draw a university or college, to be used with an article."""
    return names.rng.choice(UNIVERSITY_FORMS).format(names.town())


def draw_title(names: Names) -> str:
    """Draw the title of a work, made unique by a stem: `The Copper Orchard of Kaldor`."""
    form = names.rng.choice(TITLE_FORMS)
    return form.format(draw_word(names, "adjective"), draw_word(names, "noun"), names.stem())


def draw_street(names: Names) -> str:
    """Draw a street with a house number."""
    return f"{names.rng.randint(1, 240)} {draw_word(names, 'street_name')} {draw_word(names, 'street_kind')}"


def draw_login(names: Names) -> str:
    """Draw a user name, channel or password: a bird and digits."""
    return f"{draw_word(names, 'bird')}-{names.rng.randint(10, 9999)}"


def draw_money(names: Names, low: str, high: str, *unit: str) -> str:
    """Draw an amount of money; only small amounts have cents, and a unit such as `million` precedes the currency.

    Args:
        names: source of randomness and words.
        low: smallest amount.
        high: largest amount.
        unit: word after the number, such as `million`.
    """
    value = draw_by_digits(names.rng, int(low), int(high))
    cents = f".{names.rng.choice((5, 20, 25, 40, 50, 75, 80, 90, 95, 99)):02d}" if value < 200 and not unit else ""
    amount = " ".join([f"{value:,}" + (cents if names.rng.random() < 0.4 else ""), *unit])
    if names.rng.random() < 0.6:
        return names.rng.choice("$€£") + amount
    return f"{amount} {draw_word(names, 'currency')}"
