"""Drawn family of notes and letters: what is asked for stands in a text of one of many kinds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.families.records import Draw, between, full_name, of, written_how
from lorify.data.tasks.wording import TaskSpec


@dataclass(frozen=True)
class RecordKind:
    """Texts of one kind: their forms, and for each field what can stand there and what it is in other words (a|b)."""

    forms: tuple[str, ...]
    fields: dict[str, tuple[Draw, str]]
    group: str = "notes"


RECORDS: dict[str, RecordKind] = {
    "parcel": RecordKind(
        ("Parcel {code}: {weight}, from {origin} to {target}, paid by {payer}.",
         "{payer} sends {code} ({weight}) from {origin}; it goes to {target}."),
        {"code": (between(1000, 9999, "PK{}"), "the tracking code"),
         "weight": (between(1, 40, "{} kg"), "how heavy it is"),
         "origin": (of(words.CITIES[:15]), "where it comes from"), "target": (of(words.CITIES[15:]), "where it goes"),
         "payer": (full_name, "who pays")}),
    "recipe": RecordKind(
        ("{dish} for {people} people: {flour} of flour, {minutes} minutes at {heat}.",
         "Bake the {dish} at {heat} for {minutes} minutes; {flour} of flour feed {people}."),
        {"dish": (of(("bread", "pizza", "apple pie", "cheese cake", "muffins", "onion tart", "biscuits")), "what is "
         "baked"),
         "people": (between(2, 12), "how many eat"), "flour": (between(1, 9, "{}00 g"), "how much flour it needs"),
         "minutes": (between(11, 59), "how long it takes"), "heat": (between(150, 250, "{} degrees"), "how hot the "
         "oven is")}),
    "flight": RecordKind(
        ("Flight {flight} to {goal} leaves from gate {gate}, seat {seat}.",
         "Your seat is {seat}: board {flight} at gate {gate}, it flies to {goal}."),
        {"flight": (between(100, 999, "LX{}"), "which flight it is"), "goal": (of(words.CITIES), "the destination"),
         "gate": (lambda r: f"{r.choice('ABCD')}{r.randint(1, 40)}", "where to board"),
         "seat": (lambda r: f"{r.randint(1, 40)}{r.choice('ABCDEF')}", "where to sit")}),
    "pet": RecordKind(
        ("{pet} is a {years}-year-old {colour} {animal} that eats {food}; it belongs to {owner}.",
         "{owner} has a {colour} {animal}, {pet}, {years} years old, which loves {food}."),
        {"pet": (of(("Rex", "Bella", "Milo", "Luna", "Coco", "Max", "Daisy", "Oscar")), "what the pet is called"),
         "years": (between(1, 18), "its age in years"), "colour": (of(words.COLOURS), "its colour"),
         "animal": (of(words.KINDS["animal"]), "which animal it is"),
         "food": (of(("fish", "carrots", "rice", "chicken", "cheese", "corn")), "its favourite food"),
         "owner": (full_name, "whose pet it is")}),
    "house": RecordKind(
        ("House in {town}: {rooms} rooms, {area}, built in {built}, {price}.",
         "For {price} you get {rooms} rooms and {area} in {town}; the house is from {built}."),
        {"town": (of(words.CITIES), "in which town it stands"), "rooms": (between(2, 9), "how many rooms it has"),
         "area": (between(50, 300, "{} square metres"), "how large it is"),
         "built": (between(1900, 2020), "when it was built"),
         "price": (between(100, 900, "{},000 euros"), "how much it costs")}),
    "match": RecordKind(
        ("{home} beat {guest} {score} in {place}; {scorer} scored in minute {minute}.",
         "{place}: {home} against {guest} ended {score}. {scorer} hit in minute {minute}."),
        {"home": (of(("Rovers", "United", "Dynamo", "Athletic")), "the winning team"),
         "guest": (of(("Wanderers", "City", "Olympic", "Rangers")), "the losing team"),
         "score": (lambda r: f"{r.randint(3, 6)}:{r.randint(0, 2)}", "the result"),
         "place": (of(words.CITIES), "where they played"), "scorer": (of(words.LAST_NAMES), "the goal scorer"),
         "minute": (between(1, 90), "the minute of the goal")}),
    "car": RecordKind(
        ("{colour} {make}, {km} driven, {power}, plate {plate}.",
         "Plate {plate}: the {make} in {colour} has {power} and ran {km}."),
        {"colour": (of(words.COLOURS), "what colour it has"),
         "make": (of(("Toyota", "Fiat", "Volvo", "Skoda", "Honda", "Mazda", "Opel")), "who made the car"),
         "km": (between(10, 200, "{},000 km"), "how far it was driven"),
         "power": (between(60, 300, "{} horsepower"), "how strong its motor is"),
         "plate": (lambda r: f"{r.choice('ABKMZ')}{r.choice('XYTR')} {r.randint(100, 999)}", "its number plate")}),
    "book": RecordKind(
        ('"{title}" by {author}, {pages} pages, shelf {shelf}, lent to {reader}.',
         'Shelf {shelf}: {author}, "{title}" ({pages} pages). {reader} has it now.'),
        {"title": (lambda r: f"The {r.choice(words.COLOURS).title()} {r.choice(words.ITEMS).title()}", "what the book "
         "is called"),
         "author": (full_name, "who wrote the book"), "pages": (between(90, 900), "how thick the book is"),
         "shelf": (lambda r: f"{r.choice('EFGH')}-{r.randint(1, 60)}", "where the book stands"),
         "reader": (of(words.FIRST_NAMES), "who borrowed it")}),
    "support": RecordKind(
        ("Ticket {ticket}: the {device} of {customer} shows error {error} since {since}.",
         "{customer} says that since {since} the {device} fails with {error}, see ticket {ticket}."),
        {"ticket": (between(100, 999, "T-{}"), "the number of the ticket"),
         "device": (of(("printer", "laptop", "router", "scanner", "tablet", "screen")), "what is broken"),
         "customer": (full_name, "who complains"), "error": (between(10, 99, "E{}"), "the error code"),
         "since": (of(words.DAYS), "since when it fails")}),
    "account": RecordKind(
        ("User {user}, password {password}, plan {plan}, city {home}.",
         "{user} from {home} is on the {plan} plan and has the password {password}."),
        {"user": (lambda r: f"{r.choice(words.COLOURS)}_{r.choice(words.KINDS['animal'])}", "the login name"),
         "password": (lambda r: f"{r.choice(words.ITEMS)}{r.randint(10, 99)}", "the secret word"),
         "plan": (of(("basic", "gold", "family", "student")), "which plan is paid for"),
         "home": (of(words.CITIES), "where the user lives")}),
    "booking": RecordKind(
        ("We would like a {bed} for {nights} nights from {arrival}. There will be {persons} of us, coming from {home}. "
         "Put it down for {guest}.",
         "Hi, do you have a {bed} on {arrival}? {persons} people, {nights} nights. My name is {guest}, I live in "
         "{home}.",
         "{guest} from {home} here: {arrival}, {nights} nights, {persons} guests, one {bed} please."),
        {"bed": (of(("double bed", "single room", "family room", "bunk bed", "suite")), "what kind of room is wanted|"
         "where they want to sleep"),
         "nights": (between(2, 21), "how many nights they stay|how long they want to stay"),
         "arrival": (of(words.DAYS), "on which weekday they come|when they get there"),
         "persons": (between(2, 9), "how many come|for how many it is"), "home": (of(words.CITIES), "where they live|"
         "which town they come from"),
         "guest": (full_name, "under which name to book|who wants the room")}, "letters"),
    "lost property": RecordKind(
        ("I left my {thing} on line {line} near {place}! Inside is my card {card}. Please bring it to {address}, I "
         "will pay {reward}.",
         "Has anybody found a {thing}? It must be at {place}, I was on line {line}. {reward} for you at "
         "{address}. The card in it is {card}.",),
        {"thing": (of(words.ITEMS), "what was lost|what is missing"), "line": (between(1, 99), "which line it was|on "
         "which bus to search"),
         "place": (of(words.CITIES), "where it was lost|near which town to search"),
         "card": (lambda r: f"{r.choice('KLMNP')}-{r.randint(1000, 9999)}", "which card is inside|what is on the card"),
         "address": (lambda r: f"{r.randint(1, 200)} {r.choice(words.LAST_NAMES)} Street", "where to bring it|at which "
         "address to ring"),
         
         "reward": (between(5, 90, "{} francs"), "what the finder gets|how much is paid for it")}, "letters"),
    "appointment": RecordKind(
        ("Dear {patient}, Dr {doctor} will see you on {day} in room {room}. Bring your {bring} and {fee} in cash.",
         "{patient} must be in room {room} on {day}: Dr {doctor} wants to see the {bring}. It costs {fee}.",
         "Reminder for {patient}! {day}, room {room}, Dr {doctor}. You owe us {fee}; do not forget the {bring}."),
        {"patient": (of(words.FIRST_NAMES), "who is ill|for whom it is"), "doctor": (of(words.LAST_NAMES), "which "
         "doctor it is|who looks at the patient"),
         "day": (of(words.DAYS), "on which day to come|when to be there"), "room": (between(2, 99), "which room to "
         "enter|where in the building to go"),
         "bring": (of(("old glasses", "insurance card", "blood test", "list of pills", "passport")), "what to bring|"
         "what must not be forgotten"),
         "fee": (between(10, 300, "{} dollars"), "how much is to be paid|what it costs")}, "letters"),
    "application": RecordKind(
        ("I want to work for you as a {post}. I speak {language}, I can begin in {start}, and {pay} a month is enough. "
         "See {site} for my work. Yours, {applicant}",
         "{applicant} applies as a {post}: {language} spoken, free from {start}, hopes for {pay}. Samples: {site}."),
        {"post": (of(words.JOBS), "which job is wanted|as what somebody would like to work"),
         "language": (of(tuple(words.LANGUAGES.values())), "what is spoken|which language is known"),
         "start": (of(words.MONTHS), "in which month work can begin|from when on somebody is free"),
         "pay": (between(11, 60, "{}00 euros"), "how much is hoped for|what should be earned"),
         "site": (lambda r: f"www.{r.choice(words.COLOURS)}{r.choice(words.ITEMS)}.net", "where to look on the web|on "
         "which page samples are"),
         "applicant": (full_name, "who applies|who would like to be hired")}, "letters"),
    "tenant": RecordKind(
        ("The {part} in flat {flat} is broken again, and it is {cold} in here! Ring {bell} and take the {tool} along. "
         "We are in from {hour} on. {tenant}",
         "Hello, the {part} does not work. I live in flat {flat} (ring {bell}), name {tenant}. {cold} inside! After "
         "{hour} somebody is in; you need a {tool}.",),
        {"part": (of(("heating", "shower", "oven", "lift", "kitchen tap", "window")), "what is broken|what needs "
        "repair"),
         "flat": (lambda r: f"{r.randint(1, 30)}{r.choice('abcdef')}", "which flat it is|at which door to knock"),
         "cold": (between(5, 16, "{} degrees"), "how cold it is|what the thermometer says"),
         "bell": (lambda r: f"{r.choice('ABCDE')}{r.randint(10, 99)}", "which bell to ring|how to get in"),
         "tool": (of(words.KINDS["tool"]), "what to take along|which tool is needed"),
         "hour": (between(5, 11, "{} o'clock"), "from what hour on somebody is in|when to come"),
         "tenant": (of(words.LAST_NAMES), "who complains|who lives there")}, "letters"),
    "invoice": RecordKind(
        ("Please pay {amount} for {goods} by {due}. Our account is {account}; put {invoice} on it. {clerk}, {city}",
         "{clerk} of {city} asks for {amount} (bill {invoice}): {goods}. Account {account}, not later than {due}.",
         "You still owe us {amount}! The {goods} came long ago. Use {account} and write {invoice}; we wait until "
         "{due}. {clerk} from {city}"),
        {"amount": (lambda r: f"{r.randint(10, 900)}.{r.randint(10, 99)}", "how much is owed|what has to be paid"),
         "goods": (lambda r: f"{r.randint(2, 30)} {r.choice(words.ITEMS)}s", "what was delivered|for what to pay"),
         "due": (of(words.DAYS), "until which day to pay|when it is due"),
         "account": (lambda r: f"{r.choice(('CH', 'DE', 'FR', 'AT'))}{r.randint(1000, 9999)}", "where to send the "
         "money|to which account it goes"),
         "invoice": (between(100, 9999, "R/{}"), "what to write on it|which bill it is"),
         "clerk": (of(words.LAST_NAMES), "who wants the money|whom one owes"), "city": (of(words.CITIES), "in which "
         "town the firm is|where the bill comes from")}, "letters"),
    "tip": RecordKind(
        ("Take the {vehicle} to {goal}, get off at stop {stop} and ask for {host}. The word for the door is {word}, "
         "and the skipper's radio is on {channel}.",
         "{host} expects you in {goal}. The {vehicle} goes there, stop {stop}. Say {word} at the door or call channel "
         "{channel}.",),
        {"vehicle": (of(words.KINDS["vehicle"]), "how to get there|what to ride"), "goal": (of(words.CITIES), "where "
         "to travel|to which town to go"),
         "stop": (between(2, 40), "where to get off|which stop it is"), "host": (of(words.FIRST_NAMES), "whom to ask "
         "for|who waits there"),
         "word": (lambda r: f"{r.choice(words.COLOURS)}-{r.choice(words.KINDS['animal'])}", "what to say at the "
         "door|the secret word"),
         "channel": (between(2, 99), "on which channel to call|how to reach the skipper")}, "letters"),
}  # fmt: skip

_SHAPES: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("", lambda field, value: value),
    ("", lambda field, value: value),
    ("in capital letters", lambda field, value: value.upper()),
    ('as a line "NAME: ..."', lambda field, value: f"{field}: {value}"),
    ('as JSON with the key "NAME"', lambda field, value: json.dumps({field: value})),
    ("in double quotes", lambda field, value: f'"{value}"'),
)


def extraction_task(rng: random.Random, number: str) -> TaskSpec:
    """One field of a text is asked for."""
    kind, record = rng.choice(list(RECORDS.items()))
    field, (_, others) = rng.choice(list(record.fields.items()))
    other = rng.choice(others.split("|"))
    called, shape = rng.choice(_SHAPES)
    how = written_how(called, field)

    def make(draw: random.Random) -> tuple[str, str]:
        values = {name: value(draw) for name, (value, _) in record.fields.items()}
        return draw.choice(record.forms).format(**values), shape(field, values[field])

    return TaskSpec(
        f"drawn_extraction_{number}", f"drawn extraction: {record.group}", make,
        (
            f"$find $only the {field}{how} {{from|in|of}} {{the text|the {kind}|the note}}.",
            f"{{What|Which}} {field} {{is mentioned|is named|stands|is given}} in {{the text|the note}}? "
            f"{{Answer|Reply}} {how.strip() or 'briefly'}.",
            f"{{Tell me|Say}} {other}{how}.",
            f"{{I need|We want|I am looking for}} the {field}{how}.",
            f"{{I want to know|Can you see|Please find out}} {other}{how}.",
            f"The {field}{how}, {{please|that is all}}.",
            f"{{From|Out of}} the {kind}, {{take|copy}} the {field} {{and leave the rest|alone}}{how}.",
            f"{{Read|Go through}} the {{text|note}}: {{what does it say about|where is}} the {field}? "
            f"{{Write it|It is wanted}}{how or ' as it stands'}.",
            f"{{Somebody asks|The question is}} {other}: {{answer|reply}}{how or ' in short'}.",
            f"$write {other}{how}{{, nothing else|, and no more}}.",
        ),
    )  # fmt: skip
