"""Drawn family of texts with fields, put together anew for every task.

So many combinations that what a field is called has to be read in the description: it cannot be known by heart.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data import task_words as words
from lorify.data.task_wording import TaskSpec, capitalized

Draw = Callable[[random.Random], str]


def of(options: Sequence[str]) -> Draw:
    """One of some texts."""
    return lambda rng: rng.choice(options)


def between(low: int, high: int, form: str = "{}") -> Draw:
    """A whole number, in a text."""
    return lambda rng: form.format(rng.randint(low, high))


def full_name(rng: random.Random) -> str:
    """A first name and a surname."""
    return f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"


def joined(*parts: Draw, by: str = "") -> Draw:
    """Some texts in a row."""
    return lambda rng: by.join(part(rng) for part in parts)


def hour(rng: random.Random) -> str:
    """A time of the day."""
    return f"{rng.randint(6, 22)}:{rng.choice(('05', '10', '20', '25', '35', '40', '50', '55'))}"


LETTER, DIGIT = of("ABCDEFGHKLMNPRSTUVWXYZ"), between(0, 9)


@dataclass(frozen=True)
class Field:
    """What can be said of a subject.

    Attributes:
        names: what it is called.
        others: how it is asked for without its name.
        said: how a text says it, with a gap; follows the subject.
        draw: its values.
    """

    names: tuple[str, ...]
    others: tuple[str, ...]
    said: tuple[str, ...]
    draw: Draw


@dataclass(frozen=True)
class World:
    """Subjects of one kind and what can be said of them."""

    subjects: Draw
    fields: tuple[Field, ...]


def _field(names: str, others: str, said: str, draw: Draw) -> Field:
    return Field(tuple(names.split("|")), tuple(others.split("|")), tuple(said.split("|")), draw)


_COMPANIES = tuple(f"{name} {kind}" for name in words.LAST_NAMES[::3] for kind in ("Ltd", "Brothers", "Works"))
_MATERIALS = ("wood", "steel", "glass", "leather", "copper", "wool", "plastic", "marble", "paper", "silver")
_SYSTEMS = ("Debian", "Windows", "FreeBSD", "Ubuntu", "Fedora", "Solaris")
_SUBJECTS = ("history", "physics", "music", "law", "biology", "geography", "chemistry", "drawing", "economics")

WORLDS: dict[str, World] = {
    "thing": World(
        lambda rng: f"the {rng.choice(words.ITEMS)}",
        (
            _field("weight|mass", "how heavy it is|what the scales show|how many kilos one has to lift",
                   "weighs {}|has a weight of {}", between(1, 90, "{} kg")),
            _field("price|cost", "how much it costs|what one has to pay for it|for what sum it is sold",
                   "costs {}|sells for {}", between(5, 900, "{} euros")),
            _field("colour|paint", "what colour it has|how it looks from outside|what shade it is",
                   "is painted {}|comes in {}", of(words.COLOURS)),
            _field("material", "what it is made of|which stuff it is made from|what was used to make it",
                   "is made of {}|consists of {}", of(_MATERIALS)),
            _field("origin|city of origin", "where it comes from|out of which town it was sent|where it was before",
                   "comes from {}|was sent from {}", of(words.CITIES)),
            _field("owner", "whose it is|who has bought it|to whom to give it back", "belongs to {}|is owned by {}",
                   full_name),
            _field("maker|manufacturer", "who made it|which firm built it|out of whose works it comes",
                   "was made by {}|is a product of {}", of(_COMPANIES)),
            _field("year", "since when it exists|how far back it goes|when it was new", "dates from {}|was built in {}",
                   between(1900, 2020)),
            _field("width", "how wide it is|how much room it takes from left to right|what it measures across",
                   "is {} wide|has a width of {}", between(10, 99, "{} cm")),
            _field("height", "how tall it is|how far up it reaches|what it measures from bottom to top",
                   "is {} high|has a height of {}", between(100, 300, "{} mm")),
            _field("shelf|shelf number", "where it stands|in what place of the store to look|where to fetch it",
                   "stands on shelf {}|lies on shelf {}", between(1, 60)),
            _field("article number|item code",
                   "the code of the article|under what code to find it|what to type to find it",
                   "has the code {}|is listed as {}", joined(LETTER, LETTER, between(100, 999))),
            _field("discount", "how much is taken off|how much cheaper it is now|what one saves",
                   "has {} off|is reduced by {}", between(5, 70, "{}%")),
            _field("guarantee|warranty",
                   "how long it is guaranteed|how long it may be brought back|for what time the maker answers for it",
                   "has a guarantee of {}|is guaranteed for {}", between(2, 30, "{} months")),
        ),
    ),
    "person": World(
        full_name,
        (
            _field("age",
                   "how old the person is|for how many years this person has lived|how many candles are on the cake",
                   "is {} years old|has turned {}", between(18, 90)),
            _field("job|profession",
                   "what the person works as|how the person earns money|what is done all day for a living",
                   "works as a {}|earns a living as a {}", of(words.JOBS)),
            _field("home|city", "where the person lives|in which town to ring at the door|where the flat is",
                   "lives in {}|has a flat in {}", of(words.CITIES)),
            _field("country", "which country the person is from|where this person grew up|of which land it is somebody",
                   "is from {}|grew up in {}", of(tuple(words.CAPITALS))),
            _field("instrument", "what the person plays|what one hears through the wall|on what music is made",
                   "plays the {}|practises the {}", of(words.KINDS["instrument"])),
            _field("pet|animal", "which animal is kept|who is at home with four legs or wings|what has to be fed",
                   "keeps a {}|has a {} at home", of(words.KINDS["animal"])),
            _field("drink", "what the person drinks|what is in the glass|what to pour for this guest",
                   "drinks {}|never says no to {}", of(words.KINDS["drink"])),
            _field("subject|field of study",
                   "what was studied|in what there is a degree|which books were read at university",
                   "studied {}|has a degree in {}", of(_SUBJECTS)),
            _field("salary|pay", "how much is earned|what is on the pay slip|what comes in each month",
                   "earns {}|gets {} a month", between(1100, 9900, "${}")),
            _field("size|height",
                   "how tall the person is|how long the bed must be|what is read from the measuring tape",
                   "is {} tall|measures {}", between(150, 200, "{} cm")),
            _field("friend|partner", "who is married to this person|who else lives there|with whom the home is shared",
                   "is married to {}|lives with {}", full_name),
            _field("room|room number",
                   "in which room to look|at what door to knock|where to find somebody in the building",
                   "sits in room {}|has room {}", between(100, 999)),
            _field("birthplace",
                   "where the person was born|in which town life began|what stands in the passport as place of birth",
                   "was born in {}|came into the world in {}", of(words.CITIES)),
            _field("member number|membership",
                   "the number of the member|what is on the card|which card to show at the club",
                   "is member {}|has the card {}", joined(LETTER, between(1000, 9999))),
        ),
    ),
    "event": World(
        lambda rng: f"the {rng.choice(('concert', 'lecture', 'wedding', 'fair', 'workshop', 'auction', 'picnic'))}",
        (
            _field("place|city", "where it takes place|to which town to travel for it|in what town to be",
                   "takes place in {}|is held in {}", of(words.CITIES)),
            _field("weekday", "on which day it is|when in the week it is|which day to keep free",
                   "is on {}|falls on a {}", of(words.DAYS)),
            _field("season|month",
                   "in which month it is|what time of the year it is|which page of the calendar to open",
                   "happens in {}|is planned for {}", of(words.MONTHS)),
            _field("host|organizer", "who organizes it|who is behind it|whom to thank for it",
                   "is organized by {}|is run by {}", full_name),
            _field("speaker|guest", "who speaks there|whom to listen to|who is on the stage", "features {}|presents {}",
                   full_name),
            _field("length|duration", "how long it lasts|when one may go home again|how much time it takes",
                   "lasts {}|takes {}", between(15, 200, "{} minutes")),
            _field("audience|number of visitors", "how many come|for how many people to put chairs|how full it will be",
                   "draws {} visitors|has {} guests", between(20, 900)),
            _field("entry|ticket price", "what it costs to get in|what is paid at the door|how much a seat is",
                   "costs {} to get in|asks {} at the door", between(3, 90, "{} pounds")),
            _field("sponsor", "who pays for it|which firm gives the money|whose money is in it",
                   "is paid for by {}|is sponsored by {}", of(_COMPANIES)),
            _field("food|dish", "what is served|what there is to eat|what is on the plates", "serves {}|offers {}",
                   of(words.KINDS["fruit"])),
            _field("hall|hall number", "in which hall it is|which hall to go to|through which door to go",
                   "is in hall {}|uses hall {}", of("ABCDEFGH")),
            _field("music", "what is played|what one can hear there|which sound there is",
                   "has a {} playing|opens with a {}", of(words.KINDS["instrument"])),
        ),
    ),
    "computer": World(
        lambda rng: f"the {rng.choice(('server', 'laptop', 'router', 'printer', 'backup machine', 'database'))}",
        (
            _field("system|operating system", "which system runs on it|what was installed|what it boots",
                   "runs {}|was installed with {}", of(_SYSTEMS)),
            _field("port", "on which port it listens|to which port to connect|through which port to get in",
                   "listens on port {}|answers at port {}", between(1000, 9999)),
            _field("memory", "how much memory it has|how many gigabytes it holds|what fits into it at once",
                   "has {} of memory|comes with {} of memory", between(2, 64, "{} GB")),
            _field("IP address|network address",
                   "its address in the network|what to ping|where in the network to find it",
                   "has the IP address {}|is reached at {}",
                   joined(between(10, 192), DIGIT, between(1, 20), between(1, 254), by=".")),
            _field("version", "which release is used|how new the software is|to what it was updated",
                   "is at version {}|was updated to {}", joined(DIGIT, between(0, 20), DIGIT, by=".")),
            _field("administrator|admin", "who looks after it|whom to call when it breaks|who has the keys to it",
                   "is looked after by {}|is managed by {}", full_name),
            _field("user|user name", "under which name to log in|whose account to use|what to type before the password",
                   "is used by the account {}|expects the login {}",
                   lambda rng: f"{rng.choice(words.COLOURS)}_{rng.choice(words.KINDS['animal'])}"),
            _field("error|error code", "what goes wrong|which message is on the screen|with what it stops",
                   "stops with error {}|reports {}", between(100, 999, "E-{}")),
            _field("load", "how busy it is|how hard it works|how much of it is in use", "is at {} load|works at {}",
                   between(1, 99, "{} percent")),
            _field("file|log file",
                   "in which file to look|where its messages are kept|what to open to see what happened",
                   "writes to {}|logs into {}",
                   lambda rng: f"{rng.choice(words.ITEMS)}.{rng.choice(('log', 'txt', 'csv', 'json'))}"),
            _field("speed", "how fast it is|how much goes through in a second|what the line gives",
                   "sends {}|reaches {}", between(10, 900, "{} Mbit/s")),
            _field("building|location", "where it is|to which town it was moved|in what town to look for it",
                   "is in {}|was moved to {}", of(words.CITIES)),
        ),
    ),
    "business": World(
        lambda rng: f"the {rng.choice(('bakery', 'clinic', 'garage', 'library', 'hotel', 'school', 'pharmacy'))}",
        (
            _field("web page|web address", "where to look on the web|what to type into the browser|which site to visit",
                   "has the page {}|is found at {}",
                   lambda rng: f"www.{rng.choice(words.ITEMS)}{rng.randint(1, 99)}.org"),
            _field("opening hour", "from what hour on it is open|when the doors are unlocked|how early one can go in",
                   "opens at {}|is open from {}", hour),
            _field("closing hour", "until when it is open|when they go home|how late one can still go in",
                   "closes at {}|stays open until {}", hour),
            _field("manager|head", "who runs it|who is the boss there|whose word counts",
                   "is run by {}|has {} as its head", full_name),
            _field("street", "in which street it is|where to turn in with the car|what is on the street sign",
                   "is in {} Street|moved to {} Street", of(words.LAST_NAMES)),
            _field("fax number", "which number takes a fax|where to fax it|to what number a page can be sent",
                   "takes faxes at {}|has the fax number {}", joined(between(20, 99), between(1000, 9999), by="-")),
            _field("bill number|invoice", "which bill is meant|what is on the bill|which bill it is about",
                   "sent the bill {}|asks about invoice {}", between(1000, 99999, "No.{}")),
            _field("contact", "whom to ask for|who sits at the desk|who will help",
                   "wants you to ask for {}|has {} at the desk", of(words.FIRST_NAMES)),
            _field("day of rest|closing day", "on which day it is shut|when not to go there|which day nobody works",
                   "is shut on {}|never opens on {}", of(words.DAYS)),
            _field("staff|number of employees",
                   "how many work there|how many people are paid|for how many to order lunch",
                   "employs {}|has a staff of {}", between(2, 90)),
            _field("floor", "on which floor it is|how far to go up|which button to press in the lift",
                   "is on floor {}|occupies floor {}", between(1, 30)),
            _field("reference|file number",
                   "under which reference it is kept|what to quote when asking|where it is filed",
                   "is kept as {}|has the reference {}", joined(of("#$"), between(100, 999), LETTER)),
        ),
    ),
    "journey": World(
        lambda rng: f"the {rng.choice(words.KINDS['vehicle'])}",
        (
            _field("start|starting point", "where it sets out|from which town it leaves|where the ride begins",
                   "leaves {}|starts in {}", of(words.CITIES[:15])),
            _field("destination|goal", "where it goes|where the ride ends|for which town it is bound",
                   "goes to {}|is bound for {}", of(words.CITIES[15:])),
            _field("platform|track", "where to get in|at which platform to wait|where to stand",
                   "leaves from platform {}|waits at track {}", between(1, 30)),
            _field("driver", "who drives|who is at the wheel|who holds the wheel",
                   "is driven by {}|has {} at the wheel", full_name),
            _field("distance", "how far it is|how many kilometres it travels|how long the way is",
                   "covers {}|travels {}", between(20, 900, "{} km")),
            _field("fare|ticket price", "how much the ride costs|what to pay the conductor|what a seat is sold for",
                   "costs {}|takes {} for a ride", between(2, 99, "{} francs")),
            _field("seats|number of seats", "how many can sit|for how many there is room|how many fit in",
                   "has {} seats|holds {} people", between(4, 300)),
            _field("delay", "how late it is|how long to wait more|by how much it is behind time",
                   "is {} late|arrives {} behind time", between(2, 59, "{} minutes")),
            _field("line|line number", "which line it is|what stands on its front|which line to take",
                   "runs as line {}|is line {}", joined(LETTER, between(1, 99))),
            _field("cargo|load", "what it carries|what is loaded|what has to be unloaded",
                   "carries {}|is loaded with {}", of(words.KINDS["vegetable"])),
            _field("plate|registration", "what is on its plate|how to know it from behind|what the police write down",
                   "has the plate {}|is registered as {}",
                   joined(LETTER, LETTER, of((" ", "-")), between(100, 999))),
            _field("stop|station", "where it stops|at which town to get off|where it calls", "stops in {}|calls at {}",
                   of(tuple(words.CAPITALS.values()))),
        ),
    ),
}  # fmt: skip

SHAPES: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    *(("", lambda _name, value: value),) * 5,
    ("in capital letters", lambda _name, value: value.upper()),
    ('as "NAME: ..."', lambda name, value: f"{name}: {value}"),
    ('as "NAME=..."', lambda name, value: f"{name}={value}"),
    ('as JSON with the key "NAME"', lambda name, value: json.dumps({name: value})),
    ("with an exclamation mark", lambda _name, value: f"{value}!"),
    ("in single quotes", lambda _name, value: f"'{value}'"),
    ("twice, with a comma", lambda _name, value: f"{value}, {value}"),
)
_TEXTS = ("text", "note", "entry", "report", "announcement", "letter", "advert", "description")


@dataclass(frozen=True)
class _Layout:
    """How a text is made of its subject and of what is said of it, each as (name of the field, what is said).

    Attributes:
        write: makes the text.
        is_form: values stand behind the names of their fields.
    """

    write: Callable[[str, Sequence[tuple[str, str]]], str]
    is_form: bool = False


OPENINGS = (
    "Please note: ", "Hello, ", "For your files: ", "Good morning! ", "As I told you, ", "News: ", "By the way, ",
    "This is what we know: ", "I am told that ", "To whom it may concern: ", "", "", "",
)  # fmt: skip
_CLOSINGS = (
    " That is all.", " More soon!", " Please keep this.", " Many thanks.", " Let us know.", " Do not lose it.", "", "",
)  # fmt: skip


def _layout(rng: random.Random) -> _Layout:
    opening, closing = rng.choice(OPENINGS), rng.choice(_CLOSINGS)

    def clauses(subject: str, said: Sequence[tuple[str, str]]) -> str:
        *first, last = [text for _, text in said]
        return capitalized(f"{subject} {', '.join(first)} and {last}.")

    def sentences(subject: str, said: Sequence[tuple[str, str]]) -> str:
        texts = [text for _, text in said]
        return " ".join([f"{capitalized(subject)} {texts[0]}.", *(f"It {text}." for text in texts[1:])])

    def letter(subject: str, said: Sequence[tuple[str, str]]) -> str:
        texts = [text for _, text in said]
        rest = " ".join(f"It {one} and {two}." for one, two in zip(texts[1::2], texts[2::2], strict=False))
        left = f" Also, it {texts[-1]}." if len(texts) % 2 == 0 else ""
        return f"{capitalized(f'{opening}{subject} {texts[0]}.')} {rest}{left}{closing}".replace("  ", " ")

    between_fields, after_name = rng.choice(
        ((" | ", ": "), ("; ", "="), (", ", " "), (" / ", ": "), ("; ", ": "), ("\n", ": "), ("\n", " - "))
    )

    def form(subject: str, said: Sequence[tuple[str, str]]) -> str:
        return between_fields.join([subject, *(f"{name}{after_name}{value}" for name, value in said)])

    return rng.choice((_Layout(clauses), _Layout(sentences), _Layout(letter), _Layout(letter), _Layout(form, True)))


def fields_task(rng: random.Random, number: str) -> TaskSpec:
    """Some fields of a world, of which one is asked for, or two."""
    world_name, world = rng.choice(list(WORLDS.items()))
    fields = rng.sample(world.fields, rng.randint(3, 5))
    called = {field: rng.choice(field.names) for field in fields}
    layout, keeps_order = _layout(rng), rng.random() < 0.3
    asked = fields[0]
    also = fields[1] if rng.random() < 0.15 else None
    how, shape = SHAPES[0] if also else rng.choice(SHAPES)
    how = written_how(how, called[asked])
    shown = sorted(fields, key=lambda field: field.names)

    def make(draw: random.Random) -> tuple[str, str]:
        values = {field: field.draw(draw) for field in shown}
        order = shown if keeps_order else draw.sample(shown, len(shown))
        said = [(called[f], values[f] if layout.is_form else draw.choice(f.said).format(values[f])) for f in order]
        text = layout.write(world.subjects(draw), said)
        if also is not None:
            return text, f"{values[asked]} and {values[also]}"
        return text, shape(called[asked], values[asked])

    name, (other, another) = f"the {called[asked]}", rng.sample(asked.others, 2)
    if also is not None:
        name = f"{name} and the {called[also]}"
        other, another = (f"{one} and {rng.choice(also.others)}" for one in (other, another))
    return TaskSpec(
        f"drawn_fields_{number}",
        f"drawn fields: {world_name}",
        make,
        field_templates(rng.choice(_TEXTS), name, other, another, how),
    )


def written_how(how: str, name: str) -> str:
    """How a field of a name is to be written, after a space; empty where as it stands."""
    return " " + how.replace("NAME", name) if how else ""


def field_templates(text: str, name: str, other: str, another: str, how: str) -> tuple[str, ...]:
    """Wordings that ask a text for a field by its name, or in two other ways; `how` begins with a space."""
    return (
        f"$find $only {name}{how} {{from|in|of}} {{the {text}|what you read}}.",
        f"{{What|Which}} is {name} in the {text}? {{Answer|Reply}} {how.strip() or 'with nothing else'}.",
        f"{{Tell me|Say}} {other}{how}.",
        f"{{Read the {text} and give|From the {text}, take|Look for}} {name}{how}.",
        f"{capitalized(name)}, {{please|nothing more}}{',' if how else ''}{how}.",
        f"{{I need|We want|I am looking for}} {name}{how}.",
        f"{{I want to know|Can you see|Please find out}} {other}{how}.",
        f"{{From|Out of}} the {text}, {{copy|pick}} {name} {{and leave the rest|alone}}{how}.",
        f"{{Go through|Study}} the {text}: {{what does it say about|where is}} {name}? {{Write it|It is wanted}}"
        f"{how or ' as it stands'}.",
        f"{{Somebody asks|The question is}} {other}: {{answer|reply}}{how or ' in short'}.",
        f"{{Which words of|What in}} the {text} {{tell|says}} {other}? {{Give them|Show it}}{how}.",
        f"{{Do you find|Can you tell me|Do you know}} {another}{how}?",
        f"{{If|When}} somebody asks you {another}, {{what do you say|what is the answer}}{how}?",
        f"{capitalized(another)}: {{write|give|that is wanted}}{how}.",
        f"{{The answer is|You say}} {another}{how}.",
        f"$write {{only|just}} {another}{how}.",
        f"$write {other}{how}{{, nothing else|, and no more|}}.",
    )
