"""Convert words of documents to JSON values: numbers, dates, lists, yes and no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lorify.answering.json_fields.fields import JsonField, JsonValue
from lorify.data.number_words import LARGE_NUMBERS, NUMBER_IN_WORDS, read_number_words

_DIGITS = re.compile(
    r"(?<![\w.,:/])(?<!\d[-–−])[-+−]?(?:\d{1,3}(?:[,’' ]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)(?!\d|[:/]\d|-\d|\.\d)"
    rf"(?:\s+(?P<large>{'|'.join(LARGE_NUMBERS)})\b)?",
    re.IGNORECASE,
)
_GROUPS = re.compile(r"(?<=\d)[,’' ](?=\d{3}(?!\d))")
_BEFORE_NUMBER = re.compile(r"[^\w]*(?:(?:about|around|only|at least|at most|up to|over|under|[A-Z]{2,3})\W+)?$")
_RANGE = re.compile(r"\s*(?:to|-|–|or|and)\s*\d", re.IGNORECASE)
_WHOLE_RANGE = re.compile(
    r"\W*(?:(?:from|between)\s+)?(?P<low>[-−]?\d[\d.,]*\s?[^\d\s]*?)\s*(?:\bto\b|\band\b|-|–)\s*(?P<high>[-−]?\d[\d.,]*[^\d]*)",
    re.IGNORECASE,
)
_LOWEST = re.compile(r"\b(?:min|minimum|minimal|lowest|least|smallest|shortest|from)\b")
_HIGHEST = re.compile(r"\b(?:max|maximum|maximal|highest|most|largest|longest|up to)\b")
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b\.?", re.IGNORECASE)
_YEAR = re.compile(r"\b[12]\d{3}\b")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_DATE = re.compile(
    r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}\.? [a-z]{3,9}\.?,? \d{4}\b|\b[a-z]{3,9}\.? \d{1,2},? \d{4}\b", re.IGNORECASE
)
_DATE_FORMS = ("%Y-%m-%d", "%d %B %Y", "%B %d %Y", "%d %b %Y", "%b %d %Y")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_WEB = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]*[\w/]")
_ASKS_FOR_MAIL = re.compile(r"\be-? ?mail\b")
_ASKS_FOR_WEB = re.compile(r"\b(?:url|website|web ?site|web address|homepage)\b")
_BETWEEN_ITEMS = re.compile(r"\s*(?:[;\n•]|,\s*(?:and|or)\s|,(?!\d{3}\b)|\s(?:and|or)\s)\s*")


def read_value(field: JsonField, text: str) -> JsonValue:
    """Read words of a document as the value of a field.

    Args:
        field: the field.
        text: an answer to a question for it.

    Returns:
        The value; None if the words do not form a value of this kind.
    """
    text = " ".join(text.split())
    if field.kind == "array":
        items = field.schema["items"]
        kind = items.get("type", "string") if isinstance(items, Mapping) else "string"
        read = [_scalar(item, kind, {}, "") for item in read_items(text)]
        return None if not read or any(value is None for value in read) else read
    pattern = address_pattern(field)
    if pattern is not None:
        address = pattern.search(text)
        return None if address is None else address[0]
    return _scalar(text, field.kind, field.schema, field.words)


def read_items(text: str) -> list[str]:
    """Split an enumeration into its items."""
    return [item for item in _BETWEEN_ITEMS.split(text) if item.strip()]


def address_pattern(field: JsonField) -> re.Pattern[str] | None:
    """Return a pattern for the mail or web address that a field asks for; None for other fields."""
    if field.kind != "string":
        return None
    named = field.schema.get("format")
    if named == "email" or _ASKS_FOR_MAIL.search(field.words):
        return _MAIL
    return _WEB if named == "uri" or _ASKS_FOR_WEB.search(field.words) else None


def _scalar(text: str, kind: str, schema: Mapping[str, Any], words: str) -> JsonValue:
    if not text:
        return None
    if kind == "boolean":
        verdict = re.match(r"(yes|no)\b", text, re.IGNORECASE)
        return None if verdict is None else verdict[1].lower() == "yes"
    if kind in ("integer", "number"):
        number = read_number(_end_of_range(text, words), is_year="year" in words.split())
        if number is None or (kind == "integer" and number != int(number)):
            return None
        return int(number) if number == int(number) else number
    if "enum" in schema:
        return _option(text, schema["enum"])
    return read_date(text) if schema.get("format") == "date" else text


def _end_of_range(text: str, words: str) -> str:
    """The end of a range that a field asks for, such as `110 °C` of `2 to 110 °C` for `max temperature`."""
    found = _WHOLE_RANGE.fullmatch(text)
    if found is None or bool(_LOWEST.search(words)) == bool(_HIGHEST.search(words)):
        return text
    return found["low"] if _LOWEST.search(words) else found["high"]


def read_number(text: str, *, is_year: bool = False) -> float | None:
    """Read the one number of a text, such as `2,400 dollars`, `about 1.2 litres`, `forty boxes` or `3 million`.

    Args:
        text: the text.
        is_year: whether the number is a year, which may be part of a date.

    Returns:
        The number; None if there is none, or if there are several and none is clearly first: a date, a time, a range.
    """
    if is_year:
        years = _YEAR.findall(text)
        return float(years[0]) if len(years) == 1 else None
    if _MONTH.search(text) and _DIGITS.search(text):
        return None
    found = [(match.start(), match.end(), _of_digits(match)) for match in _DIGITS.finditer(text)]
    found += [
        (match.start(), match.end(), float(read_number_words(match[0])))
        for match in NUMBER_IN_WORDS.finditer(text)
        if not any(begin <= match.start() < end for begin, end, _ in found)
    ]
    found.sort()
    if not found:
        return None
    begin, end, number = found[0]
    if _RANGE.match(text, end) or (len(found) > 1 and not _BEFORE_NUMBER.match(text[:begin])):
        return None
    return number


def read_date(text: str) -> str | None:
    """Read the one date of a text as ISO 8601, such as `2025-03-14` for `on Friday, March 14th, 2025, at noon`.

    Args:
        text: the text. The month must be spelled out, unless the date is already in ISO 8601.

    Returns:
        The date; None if there is none with a year, or more than one.
    """
    plain = _ORDINAL.sub("", text)
    found = {date for match in _DATE.finditer(plain) if (date := _parse_date(match[0])) is not None}
    return found.pop() if len(found) == 1 else None


def _parse_date(text: str) -> str | None:
    plain = " ".join(re.sub(r"[.,]", " ", text).split())
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(plain, form).date().isoformat()
        except ValueError:
            continue
    return None


def _of_digits(match: re.Match[str]) -> float:
    digits = match[0].replace("−", "-")
    if match["large"]:
        digits = digits[: match.start("large") - match.start()].rstrip()
    plain = _GROUPS.sub("", digits).replace(",", ".")
    return float(plain) * LARGE_NUMBERS.get((match["large"] or "").lower(), 1)


def _option(text: str, options: Any) -> JsonValue:
    """The one option that a text names."""
    folded = text.casefold()
    texts = [option for option in options if isinstance(option, str)]
    same = [option for option in texts if option.casefold() == folded.strip(" .")]
    named = [option for option in texts if re.search(rf"\b{re.escape(option.casefold().replace('_', ' '))}\b", folded)]
    chosen = same or named
    return chosen[0] if len(chosen) == 1 else None
