"""Drawn family of requests: what somebody writes who wants something done, with two facts to a sentence."""

from __future__ import annotations

import random
from collections.abc import Sequence
from string import Formatter

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
from lorify.data.tasks.wording import TaskSpec, capitalized

_DIGITS = between(10, 99)

_FIELDS: dict[str, tuple[Draw, str]] = {
    "radio channel": (
        joined(_DIGITS, _DIGITS, by="."),
        "on which channel to call|how to reach us by radio|what to tune the radio to",
    ),
    "landmark": (
        of(("bridge", "mill", "church", "lighthouse", "water tower")),
        "what one passes first|what to look out for|after what to call",
    ),
    "goods": (
        lambda r: f"{r.randint(2, 40)} {r.choice(words.ITEMS)}s",
        "what to bring|what has to be delivered|which things are wanted",
    ),
    "gate": (joined(of("ABCDEF"), between(1, 20)), "to which gate to come|where to drive in|at what gate to ring"),
    "sum": (joined(of("$€£"), _DIGITS, of((".50", ".20", ".99"))), "how much to pay|what is owed|which amount is due"),
    "payee": (full_name, "whom to pay|who gets the money|to whom the sum goes"),
    "contact": (of(words.FIRST_NAMES), "whom to ask|who knows about it|who can say more"),
    "code": (
        joined(LETTER, between(1, 9), of("#/:"), between(10, 99)),
        "about what code to ask|what is written on the label|which code is meant",
    ),
    "neighbour": (of(words.LAST_NAMES), "with whom to leave it|who takes it in next door|which neighbour is at home"),
    "street": (of(words.COLOURS), "in which street it is|what street to turn into|where the neighbour lives"),
    "machine": (
        of(("printer", "dryer", "pump", "scanner", "lift", "mixer")),
        "what does not work|what is broken|which machine to repair",
    ),
    "fault": (joined(of("EFX"), of("-."), between(10, 999)), "what it shows|which fault there is|what the screen says"),
    "locker": (
        joined(LETTER, of("/-"), between(10, 99)),
        "which locker to open|where the things are locked in|what stands on the locker",
    ),
    "key": (
        joined(of("KSL"), of("-_"), between(100, 999)),
        "which key fits|what is written on the key|what to unlock it with",
    ),
    "site": (
        joined(of(("www.", "shop.", "my.")), of(words.ITEMS), of((".net", ".org", ".eu", ".info"))),
        "where to look on the web|which site has more|what to type into a browser",
    ),
    "handle": (
        joined(of("@~"), of(words.KINDS["animal"]), of("._"), between(1, 99)),
        "under what name we are in the forum|whom to write to in the chat|as whom we post",
    ),
    "number": (between(3, 400), "how many are needed|how many to order|what quantity is wanted"),
    "article": (of(words.KINDS["tool"]), "what is needed|which thing to order|what to look for in the shop"),
    "month": (of(words.MONTHS), "by which month it is needed|until what month there is time|when it must be there"),
    "vehicle": (of(words.KINDS["vehicle"]), "what to take|how to get there|in what to travel"),
    "town": (of(words.CITIES), "where to get in|from which town to go|out of what city one comes"),
    "platform": (joined(between(1, 20), of("ab")), "from which platform it goes|where to wait|on what track it is"),
    "card": (
        joined(between(1000, 9999), between(10, 99), by="-"),
        "with what card it was paid|what is printed on the card|which card was used",
    ),
    "shop": (of(words.CITIES), "where it was paid|in which town the shop is|where the card was used"),
    "file": (
        joined(of(words.KINDS["fruit"]), of("_-"), between(1, 9), of((".csv", ".txt", ".pdf"))),
        "which file to open|what to download|in what the table is",
    ),
    "folder": (
        joined(of(("/home/", "/data/", "/srv/")), of(words.COLOURS)),
        "in which folder it is|where to find the file|which path to use",
    ),
    "flight": (
        joined(LETTER, LETTER, between(100, 999)),
        "with which flight I come|what to look for on the board|what flight to wait for",
    ),
    "hour": (hour, "at what hour it lands|when to be at the airport|from what hour on to wait"),
    "reference": (
        joined(of("#&"), LETTER, of("-/"), between(100, 999)),
        "what to quote|which reference to give|what to put on the envelope",
    ),
    "colour": (of(words.COLOURS), "which colour to choose|what shade is wanted|in what colour to send it"),
    "helper": (of(words.FIRST_NAMES), "who has the tool|who can lend one|whom to call for help"),
    "tool": (of(words.KINDS["tool"]), "what was lent|which tool it is|what somebody has of ours"),
    "password": (
        joined(of(words.ITEMS), of("!?+"), _DIGITS),
        "what the password is|what to type to get in|which secret word to use",
    ),
    "host": (
        joined(of(("db", "web", "mail")), between(1, 9), of((".local", ".lan", ".corp"))),
        "on which machine to log in|where the password works|which host it is",
    ),
}
"""What is wanted of a request: its values, and how it is asked for without its name."""

_SENTENCES = (
    "call us on {radio channel} when you pass the {landmark}",
    "bring {goods} to gate {gate}",
    "pay {sum} to {payee}",
    "ask {contact} about {code}",
    "leave it with {neighbour} in {street} Street",
    "the {machine} shows {fault} again",
    "the things are in locker {locker}, and {key} is the key",
    "we are at {site} and as {handle} in the forum",
    "we need {number} of the {article} by {month}",
    "take the {vehicle} from {town}, platform {platform}",
    "I paid with card {card} in {shop}",
    "open {file} in {folder}",
    "my flight {flight} lands at {hour}",
    "quote {reference} and send it in {colour}",
    "{helper} still has our {tool}",
    "log in on {host} with {password}",
    "the key {key} opens {locker}",
    "in {month} we will want {number} of the {article}",
    "{payee} waits for {sum}",
    "the {landmark} comes first, then try {radio channel}",
    "in {folder} you find {file}",
    "at {hour} comes {flight}, be there",
    "{code} is what {contact} works on",
    "gate {gate} is where {goods} should go",
)

SENTENCE_ENDS = (". ", "! ", "; ", " and ")
"""What stands between the sentences of a message; the first two are followed by a big letter."""


def message(opening: str, texts: Sequence[str], end: str) -> str:
    """Sentences, with gaps for values, as somebody writes them: with `end` between."""
    return capitalized(f"{opening}{end.join(map(capitalized, texts) if end in SENTENCE_ENDS[:2] else texts)}.")


def requests_task(rng: random.Random, number: str) -> TaskSpec:
    """One fact of a request is asked for."""
    name, (_, others) = rng.choice(list(_FIELDS.items()))
    chosen = [rng.choice([text for text in _SENTENCES if f"{{{name}}}" in text])]
    count = rng.randint(2, 4)
    while len(chosen) < count:
        text = rng.choice(_SENTENCES)
        if not _gaps(text) & set().union(*map(_gaps, chosen)):
            chosen.append(text)
    opening, end = rng.choice(OPENINGS), rng.choice(SENTENCE_ENDS)
    how, shape = rng.choice(SHAPES)
    how = written_how(how, name)
    fields = [field for text in chosen for field in sorted(_gaps(text))]

    def make(draw: random.Random) -> tuple[str, str]:
        values = {field: _FIELDS[field][0](draw) for field in fields}
        texts = draw.sample(chosen, len(chosen))
        return message(opening, texts, end).format_map(values), shape(name, values[name])

    other, another = rng.sample(others.split("|"), 2)
    what = rng.choice(("note", "request", "letter", "text", "message"))
    return TaskSpec(
        f"drawn_requests_{number}",
        f"drawn requests: {'as it is' if not how else 'in a form'}",
        make,
        field_templates(what, f"the {name}", other, another, how),
    )


def _gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
