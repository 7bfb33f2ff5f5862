"""Drawn family of messages with several numbers, names, times or places, of which the one for a purpose is asked for.

What is asked for is called by a general noun, so that what it is for has to be read.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lorify.data.tasks import words
from lorify.data.tasks.families.records import (
    LETTER,
    OPENINGS,
    SHAPES,
    Draw,
    between,
    field_templates,
    full_name,
    hour,
    joined,
    of,
    written_how,
)
from lorify.data.tasks.families.requests import SENTENCE_ENDS, message
from lorify.data.tasks.wording import TaskSpec

_DIGITS = between(10, 99)
_LOGIN = joined(
    of((*words.COLOURS, "root", "admin", "backup", "guest")), of("@"), of(("db", "web", "disk", "pi", "node")),
    between(1, 40), of((".lan", ".local", ".corp", ".home.lan", ".rack.local")),
)  # fmt: skip
_HANDLE = joined(of(("@", "~", "")), of(words.KINDS["animal"]), of(("_", ".", "-")), between(1, 99))
_SIGNED = joined(of(("#", "No. ", "№", "")), LETTER, of(("", "-", "/")), between(100, 99999))


@dataclass(frozen=True)
class _Use:
    """What a value is for: `to {purpose}`, and how a message says it (a|b), with a gap for the value."""

    purpose: str
    said: str
    draw: Draw


_USES: dict[str, tuple[_Use, ...]] = {
    "number": (
        _Use("fax the form to", "fax the form to {}|our fax is {}",
             joined(between(20, 99), of("- "), between(100, 9999))),
        _Use("press at the door", "press {} at the door|{} is the button at the door", between(1, 60)),
        _Use("quote", "quote {} when you answer|your case is kept as {}", _SIGNED),
        _Use("wait for", "wait until {} is on the board|it is your turn when the board says {}", between(100, 999)),
        _Use("type into the machine", "type {} into the machine|the machine asks for {}", between(1000, 999999)),
        _Use("knock at", "knock at door {}|we live behind door {}", joined(between(1, 90), of(("", "a", "b", "c")))),
        _Use("park at", "park at bay {}|bay {} is kept free for your car", joined(of("ABCDE"), between(1, 90))),
        _Use("tune the radio to", "tune the radio to {}|we are on the air at {}",
             joined(between(88, 107), of("."), between(0, 9))),
        _Use("look up in the list", "in the list, look for {}|on the list it is entry {}", between(1000, 99999, "#{}")),
        _Use("write on the parcel", "write {} on the parcel|parcels must be marked {}", _SIGNED),
        _Use("wear on the shirt", "you run with {} on your shirt|your shirt is the one with {}", between(1, 99)),
        _Use("set the oven to", "set the oven to {}|the oven has to be at {}", between(120, 260)),
        _Use("bet on", "bet on {}|horse {} will win", between(1, 24)),
    ),
    "name": (
        _Use("ask for at the desk", "ask for {} at the desk|at the desk, {} will help you", full_name),
        _Use("thank", "thank {} for the flowers|the flowers are from {}", of(words.FIRST_NAMES)),
        _Use("put on the list", "put {} on the list|the list lacks {}", full_name),
        _Use("print on the cake", "print {} on the cake|the cake is for {}", of(words.FIRST_NAMES)),
        _Use("write on the door", "write {} on the door|the door still has no sign for {}",
             joined(of(("Dr. ", "Mrs ", "Mr ")), of(words.LAST_NAMES))),
        _Use("use in the game", "I am {} in the game|in the game, look for {}", _HANDLE),
        _Use("send the bill to", "send the bill to {}|the bill is for {}",
             joined(LETTER, of(words.LAST_NAMES), by=". ")),
        _Use("invite", "invite {} as well|{} would like to come too", full_name),
        _Use("give the key to", "give the key to {}|{} comes for the key", of(words.FIRST_NAMES)),
        _Use("greet from us", "greetings to {} from all of us|all of us send love to {}", of(words.FIRST_NAMES)),
        _Use("sign with", "sign as {}|the signature has to be {}",
             joined(LETTER, LETTER, of(words.LAST_NAMES), by=". ")),
    ),
    "time": (
        _Use("arrive", "arrive at {} and bring a coat|please be there by {} or so", hour),
        _Use("leave", "leave at {} to be early|we go away at {} at the latest", hour),
        _Use("ring the bell", "ring the bell at {}, not before|the bell rings at {} for all", hour),
        _Use("switch it off", "switch it off at {} and lock up|it goes off at {} on its own", hour),
        _Use("eat", "we eat at {} in the garden|dinner is at {} with the others", hour),
        _Use("feed the cat", "feed the cat at {} each day|the cat is hungry at {} and again later", hour),
    ),
    "end": (
        _Use("stay up", "stay up until {} if you can|nobody sleeps before {} there", hour),
        _Use("keep the shop open", "the shop is open until {} and then shut|customers may come until {} or later",
             hour),
        _Use("play music", "music may be played until {} or thereabouts|at {} the music has to stop", hour),
        _Use("let the dog out", "let the dog out until {} and then call it in|the dog is out until {} at most", hour),
        _Use("keep the room", "keep the room until {} and no longer|the room is yours until {} or so", hour),
    ),
    "town": (
        _Use("change trains in", "change trains in {}|in {} you take another train", of(words.CITIES)),
        _Use("sleep in", "we sleep in {}|the beds are in {}", of(words.CITIES)),
        _Use("buy the tickets in", "buy the tickets in {}|tickets are sold in {}", of(words.CITIES)),
        _Use("meet in", "let us meet in {}|we see each other in {}", of(words.CITIES)),
        _Use("send the box to", "send the box to {}|the box is for our house in {}", of(words.CITIES)),
        _Use("stay away from", "stay away from {}|do not go to {}", of(words.CITIES)),
    ),
    "login": (
        _Use("connect with", "connect with {}|{} gets you in", _LOGIN),
        _Use("copy the files to", "copy the files to {}|the files go to {}", _LOGIN),
        _Use("print from", "print from {}|only {} may print", _LOGIN),
        _Use("try when all else fails", "when all else fails, try {}|{} is the last hope", _LOGIN),
        _Use("read the logs with", "read the logs with {}|the logs are open to {}", _LOGIN),
    ),
    "code": (
        _Use("show at the gate", "show {} at the gate|at the gate they scan {}", _SIGNED),
        _Use("enter for the discount", "enter {} for the discount|with {} you pay less",
             joined(of(words.ITEMS), _DIGITS)),
        _Use("open the safe with", "open the safe with {}|the safe listens to {}", between(1000, 9999, "{}*")),
        _Use("give back with the keys", "give back {} with the keys|on the keys there is {}",
             joined(_DIGITS, LETTER, _DIGITS, by="-")),
        _Use("scan", "scan {} first|below the lines you see {}", between(100000, 999999)),
    ),
    "day": (
        _Use("water the plants", "water the plants on {}|the plants get water on {}", of(words.DAYS)),
        _Use("put out the bins", "put out the bins on {}|bins are emptied on {}", of(words.DAYS)),
        _Use("rest", "rest on {}|{} is free", of(words.DAYS)),
        _Use("pay the rent", "the rent is paid on {}|pay the rent on {}", of(words.DAYS)),
        _Use("clean the stairs", "clean the stairs on {}|you do the stairs on {}", of(words.DAYS)),
    ),
}  # fmt: skip

_ASKED: dict[str, str] = {
    "end": "the time until which to {}|until what time to {}|up to when to {}|till which hour to {}|"
           "how late one may {}",
    "time": "the time to {}|at what time to {}|when to {}|at which hour to {}|the hour to {}",
    "day": "the day to {}|on what day to {}|when to {}|on which day to {}|the weekday to {}",
}  # fmt: skip
_ASKED_OF_THINGS = "the {noun} to {}|which {noun} to {}|what {noun} to {}|the {noun} that one should {}|what to {}"
"""A value by its purpose, and how it is asked for, times by prepositions of their own (a|b|c)."""


def lookups_task(rng: random.Random, number: str) -> TaskSpec:
    """One of several values in a message is asked for by what it is for; two or three are of one sort."""
    noun, uses = rng.choice(list(_USES.items()))
    asked, *alike = rng.sample(uses, rng.randint(2, 3))
    others = [use for group, of_group in _USES.items() if group != noun for use in of_group]
    shown = [asked, *alike, *rng.sample(others, rng.randint(0, 2))]
    said = {use: rng.choice(use.said.split("|")).format(f"{{{use.purpose}}}") for use in shown}
    opening, end = rng.choice(OPENINGS), rng.choice(SENTENCE_ENDS)
    how, shape = rng.choice(SHAPES)

    def make(draw: random.Random) -> tuple[str, str]:
        values = {use.purpose: use.draw(draw) for use in shown}
        texts = [said[use] for use in draw.sample(shown, len(shown))]
        return message(opening, texts, end).format_map(values), shape(noun, values[asked.purpose])

    asks = _ASKED.get(noun, _ASKED_OF_THINGS).split("|")
    name, *ways = [text.format(asked.purpose, noun=noun) for text in asks]
    other, another = rng.sample(ways, 2)
    return TaskSpec(
        f"drawn_lookups_{number}",
        f"drawn lookups: {noun}",
        make,
        field_templates(
            rng.choice(("message", "letter", "text", "note")), name, other, another, written_how(how, noun)
        ),
    )
