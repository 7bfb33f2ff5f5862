"""Rule-based follow-ups: short questions (`And when?`), pronouns, and replaced parts (`And on Sundays?`)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from lorify.data.facts.names import Names, Split
from lorify.data.tables import load_table
from lorify.data.text import capitalize_first

THREE_TURN_SHARE = 0.35
AND_SHARE = 0.2
"""Fraction of the questions with a pronoun that begin with `And`."""
CARELESS_SHARE = 0.12
"""Fraction of the follow-ups in lower case, and fraction without a question mark."""
ROLES = (
    *("director", "baker", "captain", "mayor", "architect", "treasurer", "nurse", "curator", "farmer", "engineer"),
    *("keeper", "chair", "secretary", "coach", "painter", "teacher", "pilot", "chemist", "gardener", "librarian"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "November")
_SLOT = re.compile(r"<(\w+)>")
_SUBJECT = re.compile(r"\b(?:was|is|did|does|has|will|do|are|were|can|when|what) \{x\}")


@dataclass(frozen=True)
class FollowUp:
    """A question that refers back.

    Attributes:
        turns: the questions before it with their answers, in order.
        question: the question.
        alone: the question in a form that is clear without other turns.
    """

    turns: tuple[tuple[str, str], ...]
    question: str
    alone: str


@dataclass(frozen=True)
class _Thing:
    """A subject of a chat: its name and its pronouns."""

    name: str
    subject: str = "it"
    object: str = "it"
    possessive: str = "its"

    def fill(self, form: str) -> str:
        """Fill its name into a question."""
        return _finish(form.replace("{x's}", f"{self.name}'s").replace("{x}", self.name))

    def refer(self, form: str) -> str:
        """Fill pronouns into a question instead of its name."""
        pronoun = self.subject if _SUBJECT.search(form) else self.object
        return _finish(form.replace("{x's}", self.possessive).replace("{x}", pronoun))


def generate_follow_up(rng: random.Random, *, split: Split = "train") -> FollowUp:
    """Generate a chat of one or two turns and a question that refers back, or stands alone.

    Args:
        rng: source of randomness; the same state gives the same chat.
        split: `heldout` draws names from parts that `train` never uses.
    """
    writer = _Writer(rng, Names(rng, split))
    kinds = (
        *(writer.short, writer.short, writer.pronoun, writer.pronoun, writer.person_answer, writer.thing_answer),
        *(writer.choice, writer.choice, writer.short_after_pronoun, writer.place, writer.standing_alone),
    )
    follow_up = rng.choice(kinds)()
    question = follow_up.question
    if rng.random() < CARELESS_SHARE:
        question = question.lower()
    if rng.random() < CARELESS_SHARE:
        question = question.removesuffix("?")
    return replace(follow_up, question=question)


class _Writer:
    """Writes the different kinds of chats."""

    def __init__(self, rng: random.Random, names: Names) -> None:
        self.rng, self.names = rng, names
        self.events = _table("events")
        self.references = _table("references")

    def short(self) -> FollowUp:
        """`Who built the mill?`, `And when?`; the second turn may itself be a short question."""
        forms, thing = self._event()
        first, *others = self._sample(forms, 3)
        turns = [(thing.fill(forms[first]), self._answer(first))]
        if len(others) > 1 and self.rng.random() < THREE_TURN_SHARE:
            turns.append((self._short(others[1]), self._answer(others[1])))
        return FollowUp(tuple(turns), self._short(others[0]), thing.fill(forms[others[0]]))

    def pronoun(self) -> FollowUp:
        """`When was the mill built?`, `Who owns it?`."""
        forms, thing = self._event()
        first, *others = self._sample(forms, 2)
        turns = [(thing.fill(forms[first]), self._answer(first))]
        if self.rng.random() < THREE_TURN_SHARE:
            turns.append((self._and(thing.refer(forms[others[0]])), self._answer(others[0])))
        form = self._question_about(thing)
        return FollowUp(tuple(turns), self._and(thing.refer(form)), thing.fill(form))

    def person_answer(self) -> FollowUp:
        """`Who is the director?`, `Where was she born?`."""
        return self._about_answer("asks_person", self._person())

    def thing_answer(self) -> FollowUp:
        """`Which ship did they take?`, `Who commanded it?`."""
        kinds = [kind for kind in self.events["things"] if kind != "person"]
        return self._about_answer("asks_thing", self._thing(self.rng.choice(kinds)))

    def short_after_pronoun(self) -> FollowUp:
        """`Who is the director?`, `What did she study?`, `And where?`."""
        person = self._person()
        events = [event["forms"] for event in self.events["events"] if event["things"] == ["person"]]
        forms = self.rng.choice(events)
        second, third = self._sample(forms, 2)
        turns = (
            (self._fill(self.rng.choice(self.references["asks_person"])), person.name),
            (person.refer(forms[second]), self._answer(second)),
        )
        return FollowUp(turns, self._short(third), person.fill(forms[third]))

    def place(self) -> FollowUp:
        """`Where was Ada Berg born?`, `What is made there?`."""
        town = self.names.town()
        short, full = self.rng.choice(self.references["place"])
        first = self._fill(self.rng.choice(self.references["asks_place"]))
        question = self._and(short.replace("{there}", "there"))
        return FollowUp(((first, self.rng.choice((town, f"in {town}"))),), question, full.replace("{x}", town))

    def choice(self) -> FollowUp:
        """`When is the library open on Mondays?`, `And on Sundays?`."""
        choice = self.rng.choice(_table("choices")["choices"])
        form = self.rng.choice(choice["questions"])
        options = [self._fill(option) for option in self.rng.sample(choice["options"], 3)]
        turns = [(form.replace("{o}", options[0]), self._answer("what"))]
        if self.rng.random() < THREE_TURN_SHARE:
            turns.append((self._replacing(options[2]), self._answer("what")))
        return FollowUp(tuple(turns), self._replacing(options[1]), form.replace("{o}", options[1]))

    def standing_alone(self) -> FollowUp:
        """A question about something else, which stays unchanged."""
        forms, thing = self._event()
        other_forms, other = self._event()
        first, question = self.rng.choice(list(forms)), other.fill(self.rng.choice(list(other_forms.values())))
        return FollowUp(((thing.fill(forms[first]), self._answer(first)),), question, question)

    def _about_answer(self, asks: str, thing: _Thing) -> FollowUp:
        first = self._fill(self.rng.choice(self.references[asks]))
        form, second = self._question_about(thing), self._question_about(thing)
        answer = thing.name
        if thing.subject != "it" and self.rng.random() < 0.2:
            answer = f"{thing.name}, the {self.rng.choice(ROLES)}"
        turns = [(first, answer)]
        if second != form and self.rng.random() < THREE_TURN_SHARE:
            turns.append((self._and(thing.refer(second)), self._answer(self.rng.choice(("when", "where", "what")))))
        return FollowUp(tuple(turns), self._and(thing.refer(form)), thing.fill(form))

    def _question_about(self, thing: _Thing) -> str:
        return self.rng.choice(self.references["thing" if thing.subject == "it" else "person"])

    def _event(self) -> tuple[dict[str, str], _Thing]:
        event = self.rng.choice(self.events["events"])
        return event["forms"], self._thing(self.rng.choice(event["things"]))

    def _thing(self, kind: str) -> _Thing:
        return self._person() if kind == "person" else _Thing(self._fill(self.rng.choice(self.events["things"][kind])))

    def _person(self) -> _Thing:
        person, role = self.names.person(), self.rng.choice(ROLES)
        name = self.rng.choice((person.full, person.full, person.full, person.last, f"the {role}", person.first))
        return _Thing(name, "she", "her", "her") if person.feminine else _Thing(name, "he", "him", "his")

    def _sample(self, forms: dict[str, str], number: int) -> list[str]:
        return self.rng.sample(list(forms), min(number, len(forms)))

    def _short(self, asks: str) -> str:
        return self.rng.choice(self.events["short"][asks])

    def _answer(self, asks: str) -> str:
        return self._fill(self.rng.choice(self.events["answers"][asks]))

    def _and(self, question: str) -> str:
        return f"And {question[:1].lower()}{question[1:]}" if self.rng.random() < AND_SHARE else question

    def _replacing(self, option: str) -> str:
        opening = self.rng.choice(("And", "And", "And", "What about", "How about", "And what about", ""))
        return capitalize_first(f"{opening} {option}?".strip())

    def _fill(self, text: str) -> str:
        """Fill slots such as `<person>`."""
        fillers: dict[str, Callable[[], str]] = {
            "person": lambda: self.names.person().full,
            "first": lambda: self.names.person().first,
            "surname": self.names.surname,
            "town": self.names.town,
            "stem": self.names.stem,
            "role": lambda: self.rng.choice(ROLES),
            "thing": lambda: self._thing(self.rng.choice(("museum", "company", "club", "report", "ship"))).name,
            "year": lambda: str(self.rng.randint(1780, 2024)),
            "number": lambda: str(self.rng.randint(2, 900)),
            "small": lambda: str(self.rng.randint(2, 9)),
            "day": lambda: str(self.rng.randint(1, 28)),
            "month": lambda: self.rng.choice(MONTHS),
            "weekday": lambda: self.rng.choice(WEEKDAYS),
        }
        return _SLOT.sub(lambda slot: fillers[slot[1]](), text)


@cache
def _table(name: str) -> dict[str, Any]:
    return load_table("lorify.data.follow_ups", name)


def _finish(question: str) -> str:
    return capitalize_first(question)
