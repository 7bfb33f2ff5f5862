"""Tasks on codes with parts of known kinds: return one part, reorder several, or change the separators."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from lorify.data.tables import load_table
from lorify.data.tasks.families.slots import draw_text
from lorify.data.tasks.spec import DrawInstance, TaskSpec
from lorify.data.text import capitalize_first

POSITION_SHARE = 0.25
"""Fraction of the tasks that name parts by position instead of by kind."""
_NEVER_TOGETHER = frozenset({"month", "year"})
"""Parts that no code combines, since rewriting dates is an unseen family of the suite."""
_ORDINALS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Request:
    """What a task requests of a code.

    Attributes:
        kind: kind of request, part of the family's name.
        form: form of the answer, with part numbers as slots.
        description: wording of the request in descriptions.
    """

    kind: str
    form: str
    description: str


@dataclass(frozen=True)
class Code:
    """A code: the kinds of its parts, its separator, a new separator, and whether parts are named by position."""

    kinds: Sequence[str]
    separator: str
    new_separator: str
    by_position: bool

    def part_name(self, part: int) -> str:
        """Return the name of a part: by its kind or its position."""
        if self.by_position:
            return f"the {'last' if part == len(self.kinds) - 1 else _ORDINALS[part]} part"
        return f"the {self.kinds[part]}"


@cache
def _table() -> dict[str, Any]:
    return load_table("lorify.data.tasks.families", "codes")


@cache
def _parts() -> dict[str, dict[str, Any]]:
    """Return the kinds of parts: `value` is a template, `phrases` name the part by its kind."""
    return {row["name"]: row for row in _table()["parts"]}


def _draw_kinds(rng: random.Random) -> list[str]:
    while True:
        kinds = rng.sample(list(_parts()), rng.randint(2, 4))
        if not set(kinds) >= _NEVER_TOGETHER:
            return kinds


def _separator_name(separator: str) -> str:
    name = _table()["separators"][separator]
    return name if name.startswith("the ") else f"{_article(name)} {name}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _slot(part: int) -> str:
    return f"{{{part}}}"


def draw_parts_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task on codes of several parts: return one part, reorder some, or change the separators."""
    kinds = _draw_kinds(rng)
    separators = _table()["separators"]
    code_name, old = rng.choice(_table()["code_names"]), rng.choice(list(separators))
    new = rng.choice([sign for sign in separators if sign != old])
    code = Code(kinds, old, new, rng.random() < POSITION_SHARE)
    request = _draw_request(rng, code)
    draw_instance = _build_draw_instance(kinds, old, request.form)
    _, example = draw_instance(rng)
    templates = _templates(code_name, request.description, example)
    return TaskSpec(f"drawn_parts_{number}", f"drawn parts: {request.kind}", draw_instance, templates)


def _draw_request(rng: random.Random, code: Code) -> Request:
    choice = rng.random()
    if choice < 0.45:
        return _request_one_part(rng, code)
    if choice < 0.75:
        return _request_two_parts(rng, code)
    if choice < 0.85 and len(code.kinds) > 2:
        return _request_three_parts(rng, code)
    slots = [_slot(part) for part in range(len(code.kinds))]
    if choice < 0.92:
        old, new = _separator_name(code.separator), _separator_name(code.new_separator)
        return Request("separators", code.new_separator.join(slots), f"with {new} in place of {old}")
    return Request("in reverse", code.separator.join(reversed(slots)), "its parts in reverse order")


def _request_one_part(rng: random.Random, code: Code) -> Request:
    kinds = code.kinds
    part = rng.randrange(len(kinds))
    description = f"{code.part_name(part)} {rng.choice(('alone', 'only', 'and nothing else', 'by itself'))}"
    if not code.by_position:
        other_kind = rng.choice([*kinds[:part], *kinds[part + 1 :]])
        alternatives = [
            f"as its {kinds[part]} alone",
            f"the {kinds[part]} of the {other_kind} {rng.choice(('only', 'alone'))}",
        ]
        phrases = _parts()[kinds[part]]["phrases"]
        description = rng.choice([description, description, *phrases, *alternatives])
    return Request("one part", _slot(part), description)


def _request_two_parts(rng: random.Random, code: Code) -> Request:
    first, second = rng.sample(range(len(code.kinds)), 2)
    one, two, separator = code.part_name(first), code.part_name(second), _separator_name(code.new_separator)
    if rng.random() < 0.5:
        description = f"{one} and {two}, in this order, with {separator} between"
    else:
        description = f"{one}, then {separator}, then {two}"
    return Request("two parts", f"{_slot(first)}{code.new_separator}{_slot(second)}", description)


def _request_three_parts(rng: random.Random, code: Code) -> Request:
    first, second, third = parts = rng.sample(range(len(code.kinds)), 3)
    one, two, three = map(code.part_name, parts)
    description = f"{one}, {two}, {_separator_name(code.new_separator)} and {three}"
    if not code.by_position and rng.random() < 0.5:
        one, two, three = (code.kinds[part] for part in parts)
        names = f"{one}, {two}, {_table()['separators'][code.new_separator]} and {three}"
        description = rng.choice((f"with {names}", f"with its {names}", f"as {names}", f"so: {names}"))
    form = f"{_slot(first)} {_slot(second)}{code.new_separator}{_slot(third)}"
    return Request("three parts", form, description)


def draw_orders_task(rng: random.Random, number: str) -> TaskSpec:
    """Draw a task that puts parts of a code into the order of the description, with one separator among them."""
    kinds = _draw_kinds(rng)
    code_name, old = rng.choice(_table()["code_names"]), rng.choice(list(_table()["separators"]))
    new = rng.choice(list(_table()["ordering_separators"]))
    parts = rng.sample(range(len(kinds)), rng.randint(2, min(3, len(kinds))))
    gap = rng.randrange(len(parts) - 1)  # the gap with the separator; other gaps have a space
    form, names = _slot(parts[0]), [kinds[parts[0]]]
    for index, part in enumerate(parts[1:]):
        if index == gap:
            names.append(_table()["ordering_separators"][new])
        form += f"{new if index == gap else ' '}{_slot(part)}"
        names.append(kinds[part])
    draw_instance = _build_draw_instance(kinds, old, form)
    description = _draw_order_description(rng, names)
    _, example = draw_instance(rng)
    templates = _templates(code_name, description, example)
    return TaskSpec(f"drawn_orders_{number}", f"drawn orders: {len(parts)}", draw_instance, templates)


def _draw_order_description(rng: random.Random, names: Sequence[str]) -> str:
    joined = f"{', '.join(names[:-1])} and {names[-1]}"
    return rng.choice(
        (
            f"with {joined}",
            f"with its {joined}",
            f"as {joined}",
            f"in the order {joined}",
            f"so: {', '.join(names)}",
            f"{', then '.join(names)}",
            f"first {names[0]}, then {' and '.join(names[1:])}",
        )
    )


def _build_draw_instance(kinds: Sequence[str], separator: str, form: str) -> DrawInstance:
    """Build instances: a code with parts of these kinds, and its parts in a form with part numbers as slots."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        values = [draw_text(rng, _parts()[kind]["value"]) for kind in kinds]
        return separator.join(values), form.format(*values)

    return draw_instance


def _templates(code: str, how: str, example: str) -> tuple[str, ...]:
    article = _article(code)
    return (
        f"{{Write|Give|Rewrite}} the {code}: {how}.",
        f"{{Convert|Change}} the {{{code}|given {code}}}: we want {how}.",
        f"Of the {code}{{ you get|}}, {{return|I need}} {how}.",
        f"{{Put|Bring}} the {code} in {{another|this}} form: {how}.",
        f"{capitalize_first(how)}, that is {{all we want|what to make}} of the {code}.",
        f"{{There comes|Here is}} {article} {code}. {{Show|Send back}} {how}.",
        f"{{For example|For instance}} {example}: the {code} {{becomes|is to be}} {how}.",
        f"{{How does|Show how}} the {code} look {how}?",
        f"{{From|Out of}} the {code}, {{make|get}} {how}.",
        f"{{Please reformat|Transform|Translate}} the {code}: {how}.",
        f"{{Put|Write|Give}} the {{{code}|text}} {how if how.startswith(('as ', 'with ')) else f'as {how}'}.",
        f"{{Put|Write|Give}} the {{{code}|text}} {{as|the way|like}} {example} {{is|is written}}.",
        f"{{What you get is|The input is}} {article} {code}. {{Answer|Reply}} {how}.",
    )
