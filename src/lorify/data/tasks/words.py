"""Words for generated tasks, and sentences, reviews and lists made from them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lorify.data.number_words import NUMBER_WORDS
from lorify.data.tables import load_table

_TABLE = load_table("lorify.data.tasks", "words")

_LISTS: dict[str, tuple[str, ...]] = {name: tuple(words) for name, words in _TABLE.items() if isinstance(words, list)}

FIRST_NAMES, LAST_NAMES = _LISTS["first_names"], _LISTS["last_names"]
CITIES, JOBS, COLOURS, ITEMS = (_LISTS[name] for name in ("cities", "jobs", "colours", "items"))
DAYS, MONTHS = _LISTS["days"], _LISTS["months"]
SUBJECTS, VERBS = _LISTS["subjects"], _LISTS["verbs"]
REVIEW_OBJECTS, PRAISE, BLAME = (_LISTS[name] for name in ("review_objects", "praise", "blame"))

CATEGORIES: dict[str, tuple[str, ...]] = {name: tuple(nouns) for name, nouns in _TABLE["categories"].items()}
"""Nouns by category."""
TOPICS: dict[str, tuple[str, ...]] = {name: tuple(sentences) for name, sentences in _TABLE["topics"].items()}
"""Sentences by topic, with a slot for a name."""
OPPOSITES: dict[str, str] = _TABLE["opposites"]
PLURALS: dict[str, str] = _TABLE["plurals"]
PASTS: dict[str, str] = _TABLE["pasts"]
CAPITALS: dict[str, str] = _TABLE["capitals"]
LANGUAGES: dict[str, str] = _TABLE["languages"]

WORD_LISTS: dict[str, tuple[str, ...]] = {
    **_LISTS,
    **CATEGORIES,
    "number_words": NUMBER_WORDS,
    "departure_cities": CITIES[:15],
    "arrival_cities": CITIES[15:],
    "countries": tuple(CAPITALS),
    "capitals": tuple(CAPITALS.values()),
    "languages": tuple(LANGUAGES.values()),
    "companies": tuple(f"{name} {kind}" for name in LAST_NAMES[::3] for kind in ("Ltd", "Brothers", "Works")),
}
"""All word lists by name."""

ALL_WORDS = (
    *(noun for nouns in CATEGORIES.values() for noun in nouns),
    *(ITEMS + COLOURS + SUBJECTS + JOBS + CITIES + DAYS + MONTHS),
    *(*OPPOSITES, *PASTS.values()),
)
"""Words, names and labels of drawn tasks."""

NUM_ADJECTIVES = 24
"""This many words at the start of the list of opposites are adjectives."""


@dataclass(frozen=True)
class Record:
    """A sentence about a purchase, and its fields by name."""

    text: str
    fields: dict[str, str]


def draw_record(rng: random.Random) -> Record:
    """Draw a sentence about a person who bought something somewhere."""
    count = rng.randint(2, 9)
    fields = {
        "first name": rng.choice(FIRST_NAMES),
        "surname": rng.choice(LAST_NAMES),
        "age": str(rng.randint(20, 79)),
        "job": rng.choice(JOBS),
        "city": rng.choice(CITIES),
        "number": str(count),
        "colour": rng.choice(COLOURS),
        "item": rng.choice(ITEMS),
        "day": rng.choice(DAYS),
        "price": str(rng.randint(11, 99)),
        "month": rng.choice(MONTHS),
    }
    form = rng.choice(_LISTS["record_forms"])
    text = form.format(**{name.replace(" ", "_"): value for name, value in fields.items()})
    return Record(text, {**fields, "full name": f"{fields['first name']} {fields['surname']}"})


def draw_sentence(rng: random.Random) -> str:
    """Draw a short sentence without its full stop."""
    adjective = rng.choice(list(OPPOSITES)[:NUM_ADJECTIVES])
    return rng.choice(
        (
            f"the {rng.choice(SUBJECTS)} {rng.choice(VERBS)} a {adjective} {rng.choice(ITEMS)}",
            f"my {rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(COLOURS)} {rng.choice(ITEMS)}",
            f"{rng.choice(FIRST_NAMES)} {rng.choice(VERBS)} the {rng.choice(SUBJECTS)}",
            f"every {rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(FIRST_NAMES)}",
        )
    )


def draw_review(rng: random.Random, is_positive: bool) -> str:
    """Draw a customer's opinion of something."""
    return rng.choice(PRAISE if is_positive else BLAME).format(rng.choice(REVIEW_OBJECTS))


def draw_topic_text(rng: random.Random, topic: str) -> str:
    """Draw a sentence about a topic."""
    return rng.choice(TOPICS[topic]).format(rng.choice(FIRST_NAMES))


def draw_noun(rng: random.Random) -> str:
    """Draw a noun of any category."""
    return rng.choice(rng.choice([*CATEGORIES.values(), JOBS, ITEMS, SUBJECTS]))


def draw_list(rng: random.Random, low: int = 3, high: int = 5) -> list[str]:
    """Draw `low` to `high` different nouns of one category."""
    pool = list(rng.choice([*CATEGORIES.values(), COLOURS, ITEMS]))
    return rng.sample(pool, rng.randint(low, high))
