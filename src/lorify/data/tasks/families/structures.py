"""Drawn family of forms: something with a structure is written in another form, or a part of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.families.records import Draw, between, of
from lorify.data.tasks.wording import TaskSpec, capitalized


@dataclass(frozen=True)
class Structure:
    """Values that stand in a fixed form: how to draw them, how the input shows them, and forms to write them in.

    Attributes:
        draw: the values.
        shown: how the input has them, by their numbers.
        forms: how an answer has them, and what that is called (a|b).
    """

    draw: Callable[[random.Random], tuple[str, ...]]
    shown: str
    forms: tuple[tuple[str, str], ...]


def _drawn(*values: Draw) -> Callable[[random.Random], tuple[str, ...]]:
    return lambda rng: tuple(value(rng) for value in values)


def _clock(rng: random.Random) -> tuple[str, ...]:
    hour = rng.randint(1, 11)
    return str(hour), str(rng.randint(10, 59)), str(hour + 12)


STRUCTURES: dict[str, Structure] = {
    "name": Structure(
        _drawn(of(words.FIRST_NAMES), of(words.LAST_NAMES)),
        "{0} {1}",
        (
            ("{1}, {0}", "surname first, then a comma and the first name"),
            ("{0}", "the first name alone"),
            ("{1}", "the family name alone"),
            ("{0[0]}. {1}", "the initial of the first name, then the surname"),
            ("{0[0]}.{1[0]}.", "the two initials, each with a dot"),
            ("Mr {1}", "Mr and the family name"),
            ("{1} {0}", "the two names in reverse order"),
        ),
    ),
    "clock time": Structure(
        _clock,
        "{2}:{1}",
        (
            ("{0}:{1} pm", "the twelve-hour clock with pm"),
            ("{2}", "the hour alone"),
            ("{1}", "the minutes alone"),
            ("{2}h{1}", "hours and minutes with an h between"),
            ("{2}.{1}", "with a dot in place of the colon"),
            ("{2}{1} hours", "four digits and the word hours"),
        ),
    ),
    "file name": Structure(
        _drawn(of(words.ITEMS), of(words.COLOURS), of(("txt", "pdf", "jpg", "csv", "html"))),
        "{0}_{1}.{2}",
        (
            ("{2}", "the extension alone"),
            ("{0}_{1}", "the name without its extension"),
            ("{0}-{1}.{2}", "with a hyphen in place of the underscore"),
            ("{1}", "what stands after the underscore"),
            ("{0} {1}", "the two words, without extension"),
            ("{1}_{0}.{2}", "the two words exchanged"),
        ),
    ),
    "size": Structure(
        _drawn(between(10, 99), between(10, 99), of(("cm", "mm", "m", "km"))),
        "{0} x {1} {2}",
        (
            ("{0}", "the first number alone"),
            ("{1}", "the second number alone"),
            ("{2}", "the unit alone"),
            ("{0} {2} by {1} {2}", "both numbers with their units and by between"),
            ("{1} x {0} {2}", "the two numbers exchanged"),
            ("{0}x{1}{2}", "without any space"),
        ),
    ),
    "price": Structure(
        _drawn(between(1, 99), between(10, 99)),
        "{0}.{1} dollars",
        (
            ("${0}.{1}", "with a dollar sign in front"),
            ("{0}", "the whole dollars alone"),
            ("{1}", "the cents alone"),
            ("{0},{1} USD", "with a comma and USD"),
            ("{0} dollars and {1} cents", "dollars and cents in words"),
        ),
    ),
    "address": Structure(
        lambda rng: (*rng.choice(list(words.CAPITALS.items())), str(rng.randint(1000, 9999))),
        "{2} {1}, {0}",
        (
            ("{1}", "the city alone"),
            ("{0}", "the country alone"),
            ("{2}", "the postal code alone"),
            ("{0}: {1}", "the country, a colon and the city"),
            ("{1} in {0}", "the city, the word in and the country"),
            ("{1} {2}", "the city and then the code"),
        ),
    ),
    "result": Structure(
        _drawn(of(words.CITIES), of(words.LAST_NAMES), between(0, 9), between(0, 9)),
        "{0} - {1} {2}:{3}",
        (
            ("{2}:{3}", "the score alone"),
            ("{0}", "the first team"),
            ("{1}", "the second team"),
            ("{2}", "the goals of the first"),
            ("{0} {2}, {1} {3}", "each team with its goals"),
            ("{0} vs {1}", "the teams alone with vs between"),
        ),
    ),
    "version": Structure(
        _drawn(between(0, 20), between(0, 20), between(0, 20)),
        "v{0}.{1}.{2}",
        (
            ("{0}", "the major number alone"),
            ("{0}.{1}", "the first two numbers with a dot"),
            ("{0}.{1}.{2}", "without the v"),
            ("{0}-{1}-{2}", "the three numbers with hyphens"),
            ("{2}", "the last number alone"),
            ("version {0}", "the word version and the first number"),
        ),
    ),
    "lesson": Structure(
        _drawn(of(words.DAYS), between(1, 9), of(("history", "physics", "music", "law", "biology", "drawing"))),
        "{2} on {0}, hour {1}",
        (
            ("{0}", "the weekday alone|its weekday and no more"),
            ("{2}", "the subject alone|what is taught"),
            ("{1}", "the hour alone|the number of the hour only"),
            ("{0}/{1}", "the weekday, a slash and the hour|weekday/hour"),
            ("{0}, {2}", "the weekday, a comma and the subject|weekday first, then the subject"),
            ("{1}: {2} ({0})", "the hour, a colon, the subject, and the weekday at the end|hour: subject (weekday)"),
        ),
    ),
    "week": Structure(
        _drawn(between(1, 52), between(1950, 2029), of(words.DAYS)),
        "{2} of week {0} in {1}",
        (
            ("{1}/{0}", "year/week|the year, a slash and the week"),
            ("W{0}", "the letter W and the number of the week|W and the week"),
            ("{2}", "the day alone|the name of its day"),
            ("{0}", "the week alone|the number of the week only"),
            ("{2}, {0}/{1}", "day, week/year|the day and a comma, then week/year"),
            ("{1} {0} {2}", "year week day|year first, then the week, then the day"),
        ),
    ),
    "position": Structure(
        _drawn(between(10, 89), between(10, 89), between(100, 999)),
        "{0} north, {1} east, {2} m",
        (
            ("{0}N {1}E", "letters N and E behind the degrees|degrees with N and E"),
            ("{2}", "the altitude alone|how high it is, as a number"),
            ("{0}", "the degrees north only|its northern degrees"),
            ("{1}", "the degrees east only|its eastern degrees"),
            ("{1}, {0}", "east first, then a comma and north|the eastern number, a comma and the northern number"),
            ("{2} m", "the altitude with its unit|metres alone"),
        ),
    ),
    "measure": Structure(
        _drawn(between(1, 9), between(10, 99), of(("flour", "sand", "rice", "wool", "iron", "tea"))),
        "{0} kg {1} g of {2}",
        (
            ("{0}.{1} kg", "kilograms with a dot|kilos and grams as one number with kg"),
            ("{2}", "the material alone|what is weighed"),
            ("{0}", "the kilos alone|the number before kg"),
            ("{1}", "the grams alone|the number before g"),
            ("{2}, {0} kg", "the material, a comma and the kilos|material first, then a comma, then kilos with kg"),
            ("{2}: {0}/{1}", "material: kilos/grams|the material, a colon, and kilos/grams"),
        ),
    ),
    "chapter": Structure(
        _drawn(of(words.LAST_NAMES), between(1, 30), between(1, 99), between(1900, 2020)),
        "{0} {1}:{2} ({3})",
        (
            ("{0}", "the author alone|by whom it is, and no more"),
            ("{3}", "the year alone|its year, without brackets"),
            ("{1}", "the chapter alone|the number before the colon"),
            ("{2}", "the verse alone|the number after the colon"),
            ("{0} {3}", "author and year|the author and then the year"),
            ("{3} {0}, {1}.{2}", "year, author, comma, chapter.verse|year first, author, a comma, and chapter.verse"),
            ("{0}, chapter {1}", "the author, a comma, the word chapter and its number|author, chapter and number"),
        ),
    ),
    "seat": Structure(
        _drawn(of("ABCDEFGH"), between(1, 60), between(1, 60), of(words.COLOURS)),
        "{3} block {0}, row {1}, seat {2}",
        (
            ("{0}{1}-{2}", "block and row together, a hyphen and the seat|block row-seat, short"),
            ("{1}", "the row alone|the number of the row"),
            ("{2}", "the seat alone|the number of the seat"),
            ("{3}", "the colour alone|the colour of the block"),
            ("{0}", "the letter alone|the block by its letter"),
            ("{2}/{1}/{0}", "seat/row/block|back to front with slashes: seat/row/block"),
            ("row {1}, seat {2}", "row and seat without the block|the row and the seat only"),
        ),
    ),
    "street": Structure(
        _drawn(of(words.LAST_NAMES), between(1, 250), of(words.CITIES)),
        "{0} Street {1} ({2})",
        (
            ("{1} {0} St", "the number first, then the name and St|number name St"),
            ("{1}", "the number alone|the house number only"),
            ("{0}", "the name alone|the street by its name, without Street"),
            ("{2}", "the town alone|the city without brackets"),
            ("{2}, {0} {1}", "town, comma, name and number|the town first, a comma, name and number"),
            ("{0} {1}", "without the word Street and without the town|name and number only"),
        ),
    ),
}


def forms_task(rng: random.Random, number: str) -> TaskSpec:
    """A structure is written in one of its forms."""
    kind, structure = rng.choice(list(STRUCTURES.items()))
    form, called = rng.choice(structure.forms)
    how = rng.choice(called.split("|"))
    opening, ending, also = "", "", ""
    if rng.random() < 0.4:
        opening, ending = rng.choice((("= ", ""), ("-> ", ""), ("", "!"), ('"', '"')))
        also = f", like {opening}this{ending}"

    def make(instance: random.Random) -> tuple[str, str]:
        values = structure.draw(instance)
        return structure.shown.format(*values), f"{opening}{form.format(*values)}{ending}"

    example = f"{opening}{form.format(*structure.draw(rng))}{ending}"
    return TaskSpec(
        f"drawn_forms_{number}", f"drawn forms: {'whole' if form.count('{') > 1 else 'part'}", make,
        (
            f"{{Write|Give|Rewrite}} the {kind} as {how}{also}.",
            f"{{Convert|Change}} the {{{kind}|given {kind}}}: it should be {how}{also}.",
            f"Of the {kind}{{ you get|}}, {{we want|I need}} {how}{also}.",
            f"{capitalized(how)}{also}, that is {{all we want|what to make}} of the {kind}.",
            f"{{You get|There comes}} a {kind}. {{Return|Answer|Show}} {how}{also}.",
            f"{{How does|Show how}} the {kind} look {how}{also}?",
            f"{{We like|Here we write}} a {kind} so: {how}{also}.",
            f"{{From|Out of}} the {kind}, {{make|get}} {how}{also}.",
            f"{{Please reformat|Transform|Translate}} the {kind}: {how}{also}.",
            f"{{Write|Put|Give}} the {kind} {{as|the way}} {example} is written.",
            f"{{Like|In the manner of}} {example}, {{that is how|so}} the {kind} should look: {how}.",
            f"{{For example|For instance}} {example}: the {kind} {{becomes|is to be}} {how}.",
            f"{{Put|Bring}} the {kind} in another form: {how}{also}.",
            f"{capitalized(example)}: {{so|like that}} {{write|give|put}} the {kind}{{, please|}}.",
            f"{{Put|Set|Write}} the {{{kind}|input}} {{with|as}} {how}{also}.",
            f"The {kind}, {how}{also}, {{please|is wanted}}.",
            f"{{Our form for|The form of}} a {kind} is {how}{also}; {{use|keep to}} it.",
        ),
    )  # fmt: skip
