"""Drawn families of codes with parts of known kinds: one part, some in another order, or other signs between them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lorify.data.tasks import words
from lorify.data.tasks.families.records import DIGIT, LETTER, Draw, between, joined, of
from lorify.data.tasks.wording import Make, TaskSpec, capitalized

_PARTS: dict[str, Draw] = {
    "number": between(10, 99), "year": between(1950, 2030), "city": of(words.CITIES), "colour": of(words.COLOURS),
    "surname": of(words.LAST_NAMES), "first name": of(words.FIRST_NAMES), "weekday": of(words.DAYS),
    "animal": of(words.KINDS["animal"]), "tool": of(words.KINDS["tool"]), "unit": of(("kg", "cm", "mm", "GB", "mph")),
    "letters": joined(LETTER, LETTER, LETTER), "country": of(tuple(words.CAPITALS)), "drink":
    of(words.KINDS["drink"]), "digit": DIGIT, "job": of(words.JOBS), "percentage": between(1, 99, "{}%"),
    "amount": between(2, 99, "${}"), "month": of(words.MONTHS),
}  # fmt: skip
_AS_A = {
    "number": "as a plain number|as two digits|as the two digits of its number",
    "year": "as a year number|as the year of it|as its year and no more",
    "city": "as the name of a city|as a town",
    "colour": "as the name of a colour|as a colour",
    "surname": "as a family name|as the name of a family|as the surname of the person only",
    "first name": "as a given name",
    "weekday": "as the name of a weekday|as the day of the week|as the day of the week alone",
    "animal": "as the kind of animal|as the name of an animal",
    "tool": "as the name of a tool|as a tool",
    "unit": "as the unit of measure|as a unit|as the unit of the measure only",
    "letters": "as three letters|as its letters only|as the letters of the alphabet in it",
    "country": "as the name of a country",
    "drink": "as the name of a drink|as something to drink",
    "digit": "as a single digit|as the digit only",
    "job": "as a profession|as the name of a job",
    "percentage": "as a percentage|as the percentage only",
    "amount": "as an amount of money|as the amount only",
    "month": "as the name of a month|as the month alone",
}
"""How one part is asked for by what it is."""
_ORDER_SIGNS = {
    ", ": "comma", "-": "hyphen", "/": "slash", ":": "colon", "; ": "semicolon", " - ": "spaced hyphen", ".": "dot",
    "|": "bar",
}  # fmt: skip
_APART = frozenset({"month", "year"})
"""Parts that are in no code together: the suite asks for dates in other forms, to measure on."""
_ORDINALS = ("first", "second", "third", "fourth")
_SEPARATORS = {
    "-": "hyphen", "/": "slash", ".": "dot", "_": "underscore", ":": "colon", " ": "space", "|": "vertical bar",
    "+": "plus sign", "#": "hash sign", ", ": "comma and a space", "; ": "semicolon and a space", "~": "tilde",
    " to ": "the word to", "*": "asterisk", "@": "at sign",
}  # fmt: skip
_CODES = ("code", "label", "tag", "entry", "key", "reference", "line", "record", "serial number", "item", "value")


def _kinds(rng: random.Random) -> list[str]:
    """Kinds of the parts of a code."""
    while _APART <= set(kinds := rng.sample(list(_PARTS), rng.randint(2, 4))):
        pass
    return kinds


def _named(separator: str) -> str:
    called = _SEPARATORS[separator]
    if called.startswith("the "):
        return called
    return f"{_article(called)} {called}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def parts_task(rng: random.Random, number: str) -> TaskSpec:
    """A code of two to four parts: one of them, some in another order, or other signs between them."""
    kinds = _kinds(rng)
    code, old = rng.choice(_CODES), rng.choice(list(_SEPARATORS))
    new = rng.choice([sign for sign in _SEPARATORS if sign != old])
    by_place = rng.random() < 0.25

    def called(part: int) -> str:
        if by_place:
            return f"the {'last' if part == len(kinds) - 1 else _ORDINALS[part]} part"
        return f"the {kinds[part]}"

    what = rng.random()
    gaps = [f"{{{part}}}" for part in range(len(kinds))]  # of the answer's form
    if what < 0.45:
        kind = "one part"
        chosen = rng.randrange(len(kinds))
        form = gaps[chosen]
        how = f"{called(chosen)} {rng.choice(('alone', 'only', 'and nothing else', 'by itself'))}"
        if not by_place:
            kind_of_other = rng.choice([*kinds[:chosen], *kinds[chosen + 1 :]])
            also = [
                f"as its {kinds[chosen]} alone",
                f"the {kinds[chosen]} of the {kind_of_other} {rng.choice(('only', 'alone'))}",
            ]
            how = rng.choice([how, how, *_AS_A[kinds[chosen]].split("|"), *also])
    elif what < 0.75:
        kind = "two parts"
        one, two = rng.sample(range(len(kinds)), 2)
        form = f"{gaps[one]}{new}{gaps[two]}"
        how = (
            f"{called(one)} and {called(two)}, in this order, with {_named(new)} between"
            if rng.random() < 0.5
            else f"{called(one)}, then {_named(new)}, then {called(two)}"
        )
    elif what < 0.85 and len(kinds) > 2:
        kind = "three parts"
        one, two, three = rng.sample(range(len(kinds)), 3)
        form = f"{gaps[one]} {gaps[two]}{new}{gaps[three]}"
        how = f"{called(one)}, {called(two)}, {_named(new)} and {called(three)}"
        if not by_place and rng.random() < 0.5:
            listed = f"{kinds[one]}, {kinds[two]}, {_SEPARATORS[new]} and {kinds[three]}"
            how = rng.choice((f"with {listed}", f"with its {listed}", f"as {listed}", f"so: {listed}"))
    elif what < 0.92:
        kind = "separators"
        form = new.join(gaps)
        how = f"with {_named(new)} in place of {_named(old)}"
    else:
        kind = "in reverse"
        form = old.join(reversed(gaps))
        how = "its parts in reverse order"

    make = _reformed(kinds, old, form)
    _, example = make(rng)
    return TaskSpec(f"drawn_parts_{number}", f"drawn parts: {kind}", make, _templates(code, how, example))


def _reformed(kinds: Sequence[str], separator: str, form: str) -> Make:
    """Makes a code of parts of some kinds, and what becomes of it in a form with the parts' numbers."""

    def make(draw: random.Random) -> tuple[str, str]:
        values = [_PARTS[kind](draw) for kind in kinds]
        return separator.join(values), form.format(*values)

    return make


def _templates(code: str, how: str, example: str) -> tuple[str, ...]:
    """Wordings that ask for a code in another form."""
    article = _article(code)
    return (
        f"{{Write|Give|Rewrite}} the {code}: {how}.",
        f"{{Convert|Change}} the {{{code}|given {code}}}: we want {how}.",
        f"Of the {code}{{ you get|}}, {{return|I need}} {how}.",
        f"{{Put|Bring}} the {code} in {{another|this}} form: {how}.",
        f"{capitalized(how)}, that is {{all we want|what to make}} of the {code}.",
        f"{{There comes|Here is}} {article} {code}. {{Show|Send back}} {how}.",
        f"{{For example|For instance}} {example}: the {code} {{becomes|is to be}} {how}.",
        f"{{How does|Show how}} the {code} look {how}?",
        f"{{From|Out of}} the {code}, {{make|get}} {how}.",
        f"{{Please reformat|Transform|Translate}} the {code}: {how}.",
        f"{{Put|Write|Give}} the {{{code}|text}} {how if how.startswith(('as ', 'with ')) else f'as {how}'}.",
        f"{{Put|Write|Give}} the {{{code}|text}} {{as|the way|like}} {example} {{is|is written}}.",
        f"{{What you get is|The input is}} {article} {code}. {{Answer|Reply}} {how}.",
    )


def orders_task(rng: random.Random, number: str) -> TaskSpec:
    """Parts of a code in the order in which the description names them, with one sign among them."""
    kinds = _kinds(rng)
    code, old = rng.choice(_CODES), rng.choice(list(_SEPARATORS))
    new = rng.choice(list(_ORDER_SIGNS))
    chosen = rng.sample(range(len(kinds)), rng.randint(2, min(3, len(kinds))))
    gap = rng.randrange(len(chosen) - 1)  # where the sign stands; in other gaps there is a space
    form, listed = f"{{{chosen[0]}}}", [kinds[chosen[0]]]
    for place, part in enumerate(chosen[1:]):
        if place == gap:
            listed.append(_ORDER_SIGNS[new])
        form += f"{new if place == gap else ' '}{{{part}}}"
        listed.append(kinds[part])
    names = f"{', '.join(listed[:-1])} and {listed[-1]}"
    how = rng.choice((
        f"with {names}", f"with its {names}", f"as {names}", f"in the order {names}", f"so: {', '.join(listed)}",
        f"{', then '.join(listed)}", f"first {listed[0]}, then {' and '.join(listed[1:])}",
    ))  # fmt: skip

    make = _reformed(kinds, old, form)
    _, example = make(rng)
    return TaskSpec(f"drawn_orders_{number}", f"drawn orders: {len(chosen)}", make, _templates(code, how, example))
