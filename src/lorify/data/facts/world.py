"""The kinds of entity that fact documents are about, their relations, and lists such as prices and timetables.

The phrase tables (`fact_people`, `fact_things`) are read by these rules. A table starts with fillers, sentences that
say nothing that is asked. `= name | value | Label` opens a relation; its value is a specification for `draw_value`,
or `yesno`. Phrases are separated by a slash or by a line break after a full stop or a question mark. Slots: `{s}` the
entity as subject, `{o}` as object, `{p}` as possessive, `{v}` the value, `{a}` the value with `a` or `an`. A phrase
with the value is a statement, unless it ends in a question mark: then it asks for the entity. A phrase without the
value is a question. For `yesno`, statements start with `+` (yes) or `-` (no).
"""

import re
from dataclasses import dataclass

from lorify.data.facts.people import CLUB, COMPANY, COURSE, EVENT, PERSON, POLICY, PROJECT, TEAM
from lorify.data.facts.things import (
    BOOK,
    BUILDING,
    FARM,
    LANDSCAPE,
    PRODUCT,
    RECIPE,
    ROUTE,
    SHIP,
    SHIPMENT,
    SOFTWARE,
    TOWN,
)

_PHRASE_BREAK = re.compile(r"\s+/\s+|(?<=[.?])\n")


@dataclass(frozen=True)
class Relation:
    """Something a document can say of an entity.

    Attributes:
        name: identifies it inside its kind.
        value: specification of what is said, for `draw_value`; `yesno` for a statement that holds or does not.
        label: its name in a list of properties.
        statements: ways to say it; for `yesno`, ways to say that it holds.
        denials: for `yesno`, ways to say that it does not hold.
        questions: ways to ask for the value.
        inverse_questions: ways to ask for the entity, given the value.
    """

    name: str
    value: str
    label: str
    statements: tuple[str, ...]
    denials: tuple[str, ...]
    questions: tuple[str, ...]
    inverse_questions: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of entity.

    Attributes:
        name: identifies the kind.
        entity: specification of the entity's name, for `draw_value`; `person` stands for a first name and a surname.
        article: what comes before the name in a sentence.
        nouns: what to call an entity that has been named.
        weight: how often it is drawn, relative to others.
        relations: what can be said.
        fillers: sentences that say nothing that is asked.
    """

    name: str
    entity: str
    article: str
    nouns: tuple[str, ...]
    weight: int
    relations: tuple[Relation, ...]
    fillers: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A row of like facts, said in one sentence: prices, hours, distances.

    Attributes:
        name: identifies it.
        owner: specification of the name of what the list belongs to.
        rows: specification of a row's name.
        value: specification of a row's value.
        openings: the sentence up to the first row, with `{o}` for the owner.
        first_row: the first row, with `{r}` for its name and `{v}` for its value.
        next_row: any other row.
        questions: ways to ask for a row's value, with `{o}` and `{r}`.
    """

    name: str
    owner: str
    rows: str
    value: str
    openings: tuple[str, ...]
    first_row: str
    next_row: str
    questions: tuple[str, ...]


def parse_relations(table: str) -> tuple[Relation, ...]:
    """The relations of a phrase table."""
    return tuple(_parse_relation(block) for block in table.split("\n= ")[1:])


def parse_fillers(table: str) -> tuple[str, ...]:
    """The fillers at the head of a phrase table."""
    return _split_phrases(table.split("\n= ")[0])


def _split_phrases(text: str) -> tuple[str, ...]:
    pieces = [piece.removeprefix("/ ").replace("\n", " ").strip() for piece in _PHRASE_BREAK.split(text.strip())]
    return tuple(piece for piece in pieces if piece)


def _parse_relation(block: str) -> Relation:
    header, body = block.split("\n", 1)
    name, value, label = header.split(" | ")
    phrases = _split_phrases(body)
    if value == "yesno":
        statements = [phrase[2:] for phrase in phrases if phrase.startswith("+ ")]
        denials = [phrase[2:] for phrase in phrases if phrase.startswith("- ")]
        questions, inverse = [phrase for phrase in phrases if phrase[:2] not in ("+ ", "- ")], []
    else:
        with_value = [phrase for phrase in phrases if "{v}" in phrase or "{a}" in phrase]
        statements, denials = [phrase for phrase in with_value if not phrase.endswith("?")], []
        inverse = [phrase for phrase in with_value if phrase.endswith("?")]
        questions = [phrase for phrase in phrases if phrase not in with_value]
    return Relation(name, value, label, tuple(statements), tuple(denials), tuple(questions), tuple(inverse))


def _kind(name: str, entity: str, table: str, *nouns: str, article: str = "", weight: int = 1) -> Kind:
    return Kind(name, entity, article, nouns, weight, parse_relations(table), parse_fillers(table))


KINDS: tuple[Kind, ...] = (
    _kind("person", "person", PERSON, weight=4),
    _kind("company", "company", COMPANY, "the company", "the firm", weight=2),
    _kind(
        "club", "name Choir Society Trust Rowing_Club Chess_Club Guild", CLUB, "the club", "the group", article="the "
    ),
    _kind("team", "name Rovers Wolves Falcons Rangers United Athletic", TEAM, "the team", "the side"),
    _kind("event", "name Festival Fair Regatta Marathon Congress", EVENT, "the event", article="the ", weight=2),
    _kind("course", "name Seminar Workshop Evening_Class Summer_School", COURSE, "the course", article="the "),
    _kind("policy", "name Policy Programme Scheme Charter Permit", POLICY, "the regulation", article="the ", weight=2),
    _kind("project", "name Project_{}", PROJECT, "the project"),
    _kind("product", "model", PRODUCT, "the device", "the product", article="the ", weight=2),
    _kind("town", "name {} {}ford {}stad {}mouth {}burg {}haven", TOWN, "the town", "the place"),
    _kind(
        *("building", "name Museum Library Hotel Theatre Hospital Observatory Baths Archive", BUILDING),
        *("the building", "the house"),
        article="the ",
        weight=2,
    ),
    _kind("ship", "name MV_{} SS_{} {}_Star {}_Queen", SHIP, "the ship", "the vessel", article="the "),
    _kind("route", "name Line Express Railway Ferry", ROUTE, "the service", article="the "),
    _kind("recipe", "name Stew Cake Bread Pie Casserole", RECIPE, "the dish", article="the "),
    _kind("software", "name {}Desk {}Base {}Flow {}Sync {}Note", SOFTWARE, "the program", "the tool", weight=2),
    _kind("book", "title", BOOK, "the book", "the work"),
    _kind("farm", "name Farm Estate Ranch Grange", FARM, "the farm", "the property"),
    _kind("landscape", "name Lake_{} Mount_{} {}_Gorge {}_Forest", LANDSCAPE, "the area", "the spot"),
    _kind("shipment", "shipment", SHIPMENT, "the delivery", "the load"),
)

LISTINGS: tuple[Listing, ...] = (
    *(
        Listing(
            thing,
            "company",
            "word part",
            f"number 2 {most}",
            ("At {o}, ", "In the house of {o}, ", "According to the inventory of {o}, "),
            "the {r} has {v} " + thing,
            "the {r} {v}",
            (
                f"How many {thing} does the {{r}} of {{o}} have?",
                f"How many {thing} are there in the {{r}} of {{o}}?",
                f"What is the number of {thing} in the {{r}} at {{o}}?",
                f"Tell me how many {thing} the {{r}} of {{o}} has.",
                f"In the {{r}} of {{o}}, how many {thing} are there?",
            ),
        )
        for thing, most in (("desks", 240), ("chairs", 1800), ("lamps", 900), ("lockers", 4000), ("printers", 60))
    ),
    Listing(
        "prices",
        "name Café Inn Bakery Canteen",
        "word menu",
        "money 2 60",
        ("At the {o}, ", "On the menu of the {o}, ", "As of this month, at the {o} "),
        "{r} costs {v}",
        "{r} {v}",
        (
            "How much does {r} cost at the {o}?",
            "What is the price of {r} at the {o}?",
            "What does one pay for {r} at the {o}?",
            "How much is {r} at the {o}?",
            "Tell me the price of {r} at the {o}.",
        ),
    ),
    Listing(
        "hours",
        "name Clinic Pool Bookshop Pharmacy",
        "weekday",
        "clock 6 14",
        ("The {o} opens ", "Doors of the {o} open ", "You may enter the {o} from "),
        "at {v} on {r}",
        "at {v} on {r}",
        (
            "At what time does the {o} open on {r}?",
            "When does the {o} open on {r}?",
            "On {r}, at what time does the {o} open?",
            "What is the opening time of the {o} on {r}?",
            "From when can one enter the {o} on {r}?",
        ),
    ),
    Listing(
        "votes",
        "name Council Committee Assembly",
        "person",
        "number 3 98000",
        ("In the election to the {o}, ", "When the {o} was elected, ", "In the vote for the {o}, "),
        "{r} received {v} votes",
        "{r} {v}",
        (
            "How many votes did {r} receive in the election to the {o}?",
            "With how many votes did {r} come out of the election to the {o}?",
            "What was the number of votes for {r} in the election to the {o}?",
            "How many votes went to {r} when the {o} was elected?",
            "How many people voted for {r} in the election to the {o}?",
        ),
    ),
    Listing(
        "distances",
        "name {}_Pass {}_Camp {}_Abbey",
        "town",
        "number 2 900 km",
        ("From {o} it is ", "The signpost at {o} reads ", "According to the road map, from {o} it is "),
        "{v} to {r}",
        "{v} to {r}",
        (
            "How far is it from {o} to {r}?",
            "What is the distance from {o} to {r}?",
            "How many kilometres is it from {o} to {r}?",
            "How long is the way from {o} to {r}?",
            "Tell me the distance between {o} and {r}.",
        ),
    ),
    Listing(
        "departures",
        "name Bus_Station Central Pier Airfield",
        "town",
        "clock 5 22",
        ("From {o}, ", "Every morning and evening, from {o} ", "On the board of {o}, "),
        "the service to {r} leaves at {v}",
        "the one to {r} at {v}",
        (
            "When does the service from {o} to {r} leave?",
            "At what time does the service to {r} leave {o}?",
            "What is the departure time from {o} to {r}?",
            "When does one leave {o} for {r}?",
            "At what time is the departure from {o} to {r}?",
        ),
    ),
)

# Sentences that fit any document. Some have names and numbers of their own, which are never asked for.
FILLERS: tuple[str, ...] = tuple(
    """The weather that week was mild.
    More details will follow.
    This page was last checked on <date>.
    A short history is kept in the archive.
    Many people took part in the work.
    Please keep this note for your records.
    The list below is not complete.
    There is much more to tell.
    Photographs may be seen on request.
    Nothing else has changed.
    A printed copy can be picked up at the desk.
    Thanks are due to <person>, who typed these lines.
    An earlier draft had <number 2 90> pages.
    Corrections are welcome at any time.
    Some of what follows was not known before.
    It rained for most of the day.
    The figures were checked twice.
    A reader from <town> sent in this note.
    Filed under <code>.
    None of this is secret.
    Other matters are dealt with elsewhere.
    The rest of the afternoon passed quietly.
    Spelling has been modernised throughout.
    Some details come from older papers.
    We were asked to keep this short.
    A second notice will be posted in <month>.
    The coffee was cold by then.
    For the sake of order, here is what we know.
    Not everyone will find this interesting.
    The lift was out of order for <minutes> that day.
    A bowl of <word crop> stood on the table.
    <person> was not able to come.
    On the way home someone played the <word instrument>.
    The archive in <town> has a second copy.
    <percent> of those asked had no opinion.
    The next issue costs <money 2 40>.
    <person> and <person> read the proofs.
    <company> declined to answer our questions.
    The meeting ended at <clock>.
    This text replaces the one of <date>.
    The room held <number 5 90> people.
    Some names have been spelled in several ways.
    Questions from the public came last.
    A <word colour> folder holds the rest.
    Nobody could say why.
    Much has been written about smaller matters.
    The telephone rang twice while this was written.
    Old maps of <town> show a different road.
    <word weather> was forecast.
    All times are local.
    Prices and times may change.
    The author of these lines lives in <town>.
    Only the main points are given here.
    The photocopier used up <number 20 900> sheets.
    By chance, <person> had kept the receipts.
    Tea was served at <clock>.
    A visitor left behind <word vehicle>.
    These notes were found in <word place_in_house>.
    We thank <company> for the paper.
    It has been a long week.""".split("\n    ")
)
