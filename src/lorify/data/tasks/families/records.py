"""Drawn family of texts with fields, put together anew for every task.

So many combinations that what a field is called has to be read in the description: it cannot be known by heart.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.wording import TaskSpec, capitalized

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
_ROMAN = ("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "XI", "XII", "XIV")
_MEDICINES = ("aspirin", "ibuprofen", "penicillin", "insulin", "morphine", "quinine", "cortisone", "codeine", "zinc")
_COMPLAINTS = ("a broken arm", "a bad cough", "back pain", "a sore throat", "a swollen knee", "a rash", "migraine")
_GENERA = ("Rosa", "Ficus", "Salvia", "Acer", "Viola", "Primula", "Lilium", "Iris")
_SPECIES = ("alba", "minor", "vulgaris", "alpina", "nigra", "montana", "rubra", "palustris")

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
    "film": World(
        lambda rng: f"the {rng.choice(('western', 'comedy', 'thriller', 'cartoon', 'documentary', 'musical'))}",
        (
            _field("director", "who directed it|who told the actors what to do|whose orders were followed on the set",
                   "was directed by {}|is a work of {}", full_name),
            _field("star|lead", "who plays the hero|whose face is on the poster|whom the camera follows most",
                   "stars {}|shows {} in the lead", full_name),
            _field("rating|score", "how well it was liked|how good the critics found it|how many points it got",
                   "was rated {}|got {} from the critics", between(1, 9, "{}/10")),
            _field("length|duration", "how long one sits there|how many minutes it goes on|how long the show takes",
                   "runs for {}|is {} long", between(61, 190, "{} min")),
            _field("language", "what is spoken in it|in which tongue they talk|what one has to understand to follow it",
                   "was shot in {}|is spoken in {}", of(tuple(words.LANGUAGES.values()))),
            _field("budget|cost", "how much was spent on it|what sum it took to make it|how many millions went into it",
                   "swallowed {}|had a budget of {}", between(2, 250, "{} million")),
            _field("part|episode",
                   "which one of the series it is|where in the series it belongs|how it is counted among the others",
                   "is part {} of a series|comes as episode {}", of(_ROMAN)),
            _field("studio|producer", "which firm produced it|which company brought it out|whose logo comes before it",
                   "was produced by {}|comes from the studio {}", of(_COMPANIES)),
            _field("setting", "where the story takes place|in which town it plays|in what town the heroes live",
                   "plays in {}|tells a story from {}", of(words.CITIES)),
            _field("age limit|minimum age",
                   "how old one must be to see it|from what age on it is allowed|how young the youngest viewers may be",
                   "is meant for ages {}|is allowed for {}", between(6, 18, "{}+")),
            _field("composer", "who wrote the music|whose tunes are heard|who gave it its sound",
                   "has music by {}|owes its tunes to {}", joined(LETTER, of(words.LAST_NAMES), by=". ")),
            _field("prize|award", "what it won|what it was honoured for|which trophy it took home",
                   "won the prize for {}|was honoured for {}",
                   of(("best script", "best sound", "best costumes", "best editing", "best lighting"))),
        ),
    ),
    "treatment": World(
        lambda rng: f"patient {LETTER(rng)}.{LETTER(rng)}.",
        (
            _field("medicine|drug", "what has to be swallowed|what is in the pills|what the pharmacy must hand out",
                   "takes {}|was put on {}", of(_MEDICINES)),
            _field("dose", "how much is taken at once|how many milligrams are needed|how big one portion is",
                   "needs {} at once|gets a dose of {}", between(5, 800, "{} mg")),
            _field("blood type|blood group",
                   "which blood may be given|what to ask the blood bank for|what kind of blood flows in the veins",
                   "has the blood type {}|may be given {} blood", joined(of(("A", "B", "AB", "0")), of("+-"))),
            _field("temperature|fever", "how hot the patient is|how high the fever is|what the thermometer says",
                   "has a temperature of {}|has {} on the thermometer",
                   joined(between(36, 40), of("."), DIGIT, of((" C",)))),
            _field("pulse|heart rate", "how fast the heart beats|what is counted at the wrist|how many beats there are",
                   "has a pulse of {}|shows {} at the wrist", between(48, 130, "{} bpm")),
            _field("doctor|physician", "who treats the patient|who writes the prescriptions|who comes in a white coat",
                   "is treated by {}|sees {} every morning", joined(of(("Dr. ", "Prof. ")), of(words.LAST_NAMES))),
            _field("ward",
                   "where in the hospital the bed is|to which door to bring the flowers|where visitors have to go",
                   "lies in ward {}|was taken to ward {}", joined(between(1, 12), LETTER)),
            _field("complaint|diagnosis",
                   "what hurts|what is wrong with the patient|why this patient came to the hospital",
                   "suffers from {}|came in with {}", of(_COMPLAINTS)),
            _field("allergy",
                   "what the body cannot stand|what makes the skin itch|what must be kept away from the patient",
                   "is allergic to {}|cannot be near {}",
                   of(("nuts", "pollen", "latex", "eggs", "dust", "wool", "shellfish", "feathers"))),
            _field("insurer|insurance", "who pays the bill|where to send the bill|which company covers the costs",
                   "is insured with {}|is a client of {}", of(_COMPANIES)),
            _field("stay|length of stay",
                   "how long the bed is taken|how many days are spent in the hospital|how long home stands empty",
                   "stays for {}|is kept in for {}", between(2, 40, "{} days")),
            _field("case number|chart number",
                   "the code of the case|under what the papers are filed|what stands on the wristband",
                   "has the chart {}|is filed under {}", joined(LETTER, between(10, 99), of("/"), between(10, 99))),
        ),
    ),
    "plant": World(
        lambda rng: f"the {rng.choice(('fern', 'cactus', 'palm', 'rose', 'orchid', 'tulip', 'ivy', 'bamboo', 'lily'))}",
        (
            _field("Latin name|botanical name",
                   "how scientists call it|what a botanist would say|under what name it is in the science books",
                   "is known to botanists as {}|is called {} in Latin", joined(of(_GENERA), of(_SPECIES), by=" ")),
            _field("water", "how much to pour|how much it drinks|what has to be in the can for it",
                   "needs {} a week|drinks {} a week", between(50, 900, "{} ml")),
            _field("light", "how bright it must stand|whether to put it in the sun|how much should shine on it",
                   "wants {}|likes {} most", of(("full sun", "half shade", "deep shade", "morning sun", "lamp light"))),
            _field("flower colour|blossom",
                   "what colour its petals have|how its flowers look|what is seen when it blooms",
                   "has {} flowers|blooms in {}", of(words.COLOURS)),
            _field("height|size", "how tall it gets|how far up it grows|how much room to leave above it",
                   "grows to {}|reaches {}", between(20, 400, "{} cm")),
            _field("pot|pot number", "which pot to buy for it|which pot it stands in|what number is on its pot",
                   "stands in pot {}|needs pot {}", of(_ROMAN)),
            _field("germination|sprouting rate",
                   "how many of the seeds come up|what share of the seeds sprouts|how likely a seed is to grow",
                   "sprouts from {} of its seeds|comes up in {} of all cases", between(5, 99, "{}%")),
            _field("bed|plot", "where in the garden it is|where to dig for it|to which place in the garden to walk",
                   "stands in bed {}|has its place in plot {}", joined(of("NSEW"), between(1, 30), by="-")),
            _field("sowing month|month of sowing",
                   "when to put the seeds into the earth|in which month to sow it|when the gardener begins with it",
                   "is sown in {}|goes into the earth in {}", of(words.MONTHS)),
            _field("pest|enemy", "what eats it|which animals harm it|what has to be picked off its leaves",
                   "is eaten by {}|attracts {}", of(("snails", "aphids", "beetles", "mites", "moths", "ants"))),
            _field("nursery|seller", "who sells it|at which firm to buy it|on whose bill it is",
                   "was raised by {}|is sold by {}", of(_COMPANIES)),
            _field("soil|earth", "in what it likes to root|what to put around its roots|which kind of ground suits it",
                   "wants {} around its roots|grows in {}", of(("sand", "clay", "peat", "gravel", "loam", "compost"))),
        ),
    ),
    "flat": World(
        lambda rng: f"the {rng.choice(('flat', 'studio', 'attic', 'penthouse', 'loft', 'cottage', 'maisonette'))}",
        (
            _field("rent",
                   "what to pay each month|how much the landlord wants for a month|how expensive it is to live there",
                   "costs {} a month|is let for {}", between(400, 2900, "{} crowns")),
            _field("deposit|security",
                   "what sum comes back in the end|what is left as a pledge|how much to put down before moving in",
                   "asks a deposit of {}|takes {} as security", between(500, 6000, "{} dollars")),
            _field("area|floor space",
                   "how big it is|how many square metres there are|how much carpet would cover all of it",
                   "has {}|measures {}", between(18, 160, "{} sqm")),
            _field("rooms|number of rooms",
                   "how many rooms there are|into how much it is divided by its walls|for how many rooms to buy lamps",
                   "has {} rooms|is divided into {} rooms", joined(between(1, 8), of((".5", "")))),
            _field("landlord|owner", "who lets it|to whom the money goes|whose property it is",
                   "is let by {}|is the property of {}", full_name),
            _field("tenant|lodger", "who lives there now|whose furniture is inside|who sleeps there these days",
                   "is lived in by {}|is home to {}", joined(LETTER, of(words.LAST_NAMES), by=". ")),
            _field("floor|storey", "how high up it lies|how far to climb the stairs|on which level it is",
                   "is on floor {}|lies on storey {}", of(_ROMAN)),
            _field("district|quarter",
                   "in which part of town it is|what the neighbourhood is called|into which area one would move",
                   "is in {}|lies in {}",
                   of(("Old Town", "Riverside", "North End", "Millfield", "Green Hill", "West Park"))),
            _field("heating|fuel", "what keeps it warm|what to use against the cold|what makes the radiators hot",
                   "is heated with {}|is kept warm by {}", of(("gas", "oil", "wood", "solar power", "coal", "steam"))),
            _field("bell|bell sign",
                   "where to ring|what is written beside the door|which button to press at the entrance",
                   "has the bell {}|is marked {} at the door", joined(LETTER, LETTER, by=" & ")),
            _field("share|share of the costs",
                   "what part of the house bills falls on it|which fraction of the costs it bears|how bills are split",
                   "bears {} of the costs|pays {} of the bills of the house",
                   joined(of("1357"), of(("/8", "/16", "/20")))),
            _field("link|page",
                   "where to see pictures of it|where on the net it is shown|what to click to see more of it",
                   "is shown at {}|can be seen at {}",
                   joined(of(("flats.", "rent.", "home.")), of(words.ITEMS), of((".net/", ".info/")), between(9, 99))),
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
        write: makes the text, with words drawn anew.
        is_form: values stand behind the names of their fields.
    """

    write: Callable[[random.Random, str, Sequence[tuple[str, str]]], str]
    is_form: bool = False


OPENINGS = (
    "Please note: ", "Hello, ", "For your files: ", "Good morning! ", "As I told you, ", "News: ", "By the way, ",
    "This is what we know: ", "I am told that ", "To whom it may concern: ", "", "", "",
)  # fmt: skip
_MESSAGE_OPENINGS = (
    "About {}:", "I write to you about {}.", "You asked me about {}.", "I had a look at {}.", "Now to {}:",
    "Let me tell you of {}.", "Dear all, this is on {}.", "I have news of {}:", "My notes on {}:",
)  # fmt: skip
_SUBJECT_AGAIN = ("It", "This one", "The same", "It also", "The one I mean", "The said one", "As I hear, it")
_CLOSINGS = (
    " That is all.", " More soon!", " Please keep this.", " Many thanks.", " Let us know.", " Do not lose it.", "", "",
)  # fmt: skip


def _layout(rng: random.Random) -> _Layout:
    opening, closing = rng.choice(OPENINGS), rng.choice(_CLOSINGS)

    def clauses(_: random.Random, subject: str, said: Sequence[tuple[str, str]]) -> str:
        *first, last = [text for _, text in said]
        return capitalized(f"{subject} {', '.join(first)} and {last}.")

    def sentences(_: random.Random, subject: str, said: Sequence[tuple[str, str]]) -> str:
        texts = [text for _, text in said]
        return " ".join([f"{capitalized(subject)} {texts[0]}.", *(f"It {text}." for text in texts[1:])])

    def letter(_: random.Random, subject: str, said: Sequence[tuple[str, str]]) -> str:
        texts = [text for _, text in said]
        rest = " ".join(f"It {one} and {two}." for one, two in zip(texts[1::2], texts[2::2], strict=False))
        left = f" Also, it {texts[-1]}." if len(texts) % 2 == 0 else ""
        return f"{capitalized(f'{opening}{subject} {texts[0]}.')} {rest}{left}{closing}".replace("  ", " ")

    def message(draw: random.Random, subject: str, said: Sequence[tuple[str, str]]) -> str:
        told = " ".join(f"{draw.choice(_SUBJECT_AGAIN)} {text}." for _, text in said)
        return f"{draw.choice(_MESSAGE_OPENINGS).format(subject)} {told}{draw.choice(_CLOSINGS)}"

    between_fields, after_name = rng.choice(
        ((" | ", ": "), ("; ", "="), (", ", " "), (" / ", ": "), ("; ", ": "), ("\n", ": "), ("\n", " - "))
    )

    def form(_: random.Random, subject: str, said: Sequence[tuple[str, str]]) -> str:
        return between_fields.join([subject, *(f"{name}{after_name}{value}" for name, value in said)])

    plain = (clauses, sentences, letter, letter, message)
    return rng.choice((*map(_Layout, plain), _Layout(form, is_form=True)))


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
        text = layout.write(draw, world.subjects(draw), said)
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
