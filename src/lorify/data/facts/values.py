"""Values of facts, drawn by specification, and the spellings of a value that count as correct.

A specification is the name of a generator and its arguments: `person`, `number 2 90 kg`, `word colour`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lorify.data.facts import name_values, number_values, time_values
from lorify.data.facts.names import Names
from lorify.data.number_words import NUMBER_WORDS

VALUE_GENERATORS: dict[str, Callable[..., str]] = {
    "person": name_values.draw_person,
    "town": name_values.draw_town,
    "name": name_values.draw_name,
    "company": name_values.draw_company,
    "model": name_values.draw_model,
    "shipment": name_values.draw_shipment,
    "university": name_values.draw_university,
    "word": name_values.draw_word,
    "title": name_values.draw_title,
    "street": name_values.draw_street,
    "login": name_values.draw_login,
    "money": name_values.draw_money,
    "number": number_values.draw_number,
    "decimal": number_values.draw_decimal,
    "few": number_values.draw_few,
    "percent": number_values.draw_percent,
    "code": number_values.draw_code,
    "phone": number_values.draw_phone,
    "extension": number_values.draw_extension,
    "port": number_values.draw_port,
    "room": number_values.draw_room,
    "version": number_values.draw_version,
    "size": number_values.draw_size,
    "score": number_values.draw_score,
    "degrees": number_values.draw_degrees,
    "year": time_values.draw_year,
    "date": time_values.draw_date,
    "day": time_values.draw_day,
    "month": time_values.draw_month,
    "weekday": time_values.draw_weekday,
    "clock": time_values.draw_clock,
    "minutes": time_values.draw_minutes,
}

_PREFIXES = ("Dr. ", "Prof. ", "Captain ", "a ", "an ", "the ")
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3})")
_FEW = range(number_values.SMALLEST_FEW, number_values.LARGEST_FEW + 1)
_OTHER_SPELLING = {str(n): NUMBER_WORDS[n] for n in _FEW} | {NUMBER_WORDS[n]: str(n) for n in _FEW}


def draw_value(names: Names, specification: str) -> str:
    """Draw a value by its specification, such as `number 2 90 kg`."""
    generator, *arguments = specification.split()
    return VALUE_GENERATORS[generator](names, *arguments)


def accepted_answers(value: str, question: str) -> tuple[str, ...]:
    """List the spellings of a value that count as correct answers, starting with the value itself.

    They omit a title, an article, thousands commas, or a unit named in the question, or convert small numbers between
    words and digits.
    """
    spellings = [value]
    for prefix in _PREFIXES:
        if value.startswith(prefix):
            spellings.append(value.removeprefix(prefix))
    plain = _THOUSANDS_COMMA.sub("", value)
    number, _, unit = plain.partition(" ")
    spellings.append(plain)
    if unit and unit in question and number.replace(".", "").isdigit():
        spellings.append(number)
    if value in _OTHER_SPELLING:
        spellings.append(_OTHER_SPELLING[value])
    return tuple(dict.fromkeys(spellings))
