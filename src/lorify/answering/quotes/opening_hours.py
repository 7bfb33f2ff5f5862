"""Opening hours: `Is the museum open on Monday?` is answered with the line of that weekday.

A weekday inside a range (`Tuesday to Sunday`) is not in the text, nor is whether it is open at a given time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lorify.answering.quotes.stated_answer import StatedAnswer
from lorify.answering.quotes.words import content_words, is_heading, last_sentence
from lorify.contexts.texts.chunking import split_into_sentences

MIN_DAYS = 5
"""A weekday that is not named counts as closed if at least this many others are named."""
MINUTES_OF_DAY = 24 * 60
EARLIEST = 7 * 60
"""An earlier time without `am` in a question, as in `at 3`, means the afternoon."""
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = (
    r"(?:mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|"
    r"mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)\b\.?"
)
_DAY_RANGE = rf"{_DAY}(?:\s*(?:-|–|—|\bto\b|\bthrough\b|\buntil\b)\s*{_DAY})?"
_DAY_LIST = rf"{_DAY_RANGE}(?:\s*(?:,|/|&|,?\s*\band\b)\s*(?:on\s+)?{_DAY_RANGE})*"
_TIME = r"(?:\d{1,2}(?:[:.]\d\d)?(?:\s?(?:[ap]m\b|[ap]\.m\.))?|noon|midnight)"
_HOURS = rf"{_TIME}(?:\s*(?:-|–|—|\bto\b|\buntil\b|\btill\b)\s*){_TIME}(?:\s?h\b)?"
_UNTIL = re.compile(r"\s*(?:-|–|—|\bto\b|\buntil\b|\btill\b)\s*", re.IGNORECASE)
_HALF = re.compile(r"[ap]\.?m", re.IGNORECASE)
_LINE = re.compile(
    rf"^\W*(?:days?: )?(?:open |closed )?(?P<days>{_DAY_LIST})\s*[:;,–—-]?\s*(?:hours|open|opening hours|times?)?:?\s*"
    rf"(?P<stated>(?:from )?{_HOURS}|closed)(?:\s+o['’]clock)?\W*$",
    re.IGNORECASE,
)
_OPEN_DAYS = re.compile(
    rf"\b(?:open(?:s|ed)?|opening hours|hours)\b[^.;\d]{{0,40}}?\b(?P<days>{_DAY_LIST})"
    rf"[^.;\d]{{0,20}}?(?P<stated>{_HOURS})",
    re.IGNORECASE,
)
_AND_DAYS = re.compile(
    rf"\s*(?:,|;|\band\b|,\s*and\b)\s*(?:on\s+)?(?P<days>{_DAY_LIST})[,:]?\s*(?:from\s+)?(?P<stated>{_HOURS})",
    re.IGNORECASE,
)
_OPEN_HOURS = re.compile(
    rf"\bopen(?:s|ed)?\b[^.;\d]{{0,20}}?(?P<stated>{_HOURS})[^.;\d]{{0,20}}?\b(?P<days>{_DAY_LIST})", re.IGNORECASE
)
_CLOSED_DAYS = re.compile(
    rf"\b(?P<stated>closed)\s+(?:(?:on|every|all day)\s+)*(?P<days>{_DAY_LIST})"
    rf"|\b(?:on |every )?(?P<before>{_DAY_LIST})\s+(?:(?:it|we|they)\s+)?(?:is|are|remains?)\s+closed\b",
    re.IGNORECASE,
)
_MONTH = re.compile(
    r"\b(?:january|february|march|april|june|july|august|september|october|november|december|holidays?|easter|"
    r"christmas)\b",
    re.IGNORECASE,
)
_ABOUT_HOURS = re.compile(r"\b(?:open(?:s|ed|ing)?|clos(?:e|es|ed|ing)|shut|hours)\b", re.IGNORECASE)
_IS_OPEN = re.compile(r"^\W*(?:and\W+)?(?:is|are|do|does|will|can)\b", re.IGNORECASE)
_ASKED_DAY = re.compile(_DAY, re.IGNORECASE)
_ASKED_TIME = re.compile(rf"\b(?:at|by|around)\s+(?P<time>{_TIME})", re.IGNORECASE)
_WHICH_DAYS = re.compile(
    r"^\W*(?:(?:and|so)\W+)?(?:(?:on\W+)?(?:which|what)\W+(?:week)?days?|when)\W+(?:is|are)\b.*\bclosed\W*$",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"\b(?:when|what time|how early|at what time|from when)\b.*\b(?:open|opens)\W", re.IGNORECASE)
_END = re.compile(
    r"\b(?:when|what time|how late|at what time|until when|till when)\b.*\b(?:close|closes|shut|shuts)\b|"
    r"\b(?:how late|until (?:when|what time)|till when)\b",
    re.IGNORECASE,
)
_WHOLE = re.compile(r"\b(?:when|what|which)\b.*\b(?:is|are)\b.*\b(?:open|hours)\b", re.IGNORECASE)
_QUESTION_WORDS = content_words(
    "open opens opened opening close closes closed closing shut hours hour time day days weekday late early "
    "visit come today at on am pm noon midnight mon tue tues wed thu thurs fri sat sun "
    + " ".join(f"{day} {day}s" for day in _DAYS)
)


class _Hours(NamedTuple):
    """The hours of some weekdays as written (empty if closed), and the sentence that states them."""

    text: str
    sentence: str


def may_ask_for_hours(question: str) -> bool:
    """Return whether a question may ask for opening hours."""
    return _ABOUT_HOURS.search(question) is not None


def asks_for_another_day(question: str) -> bool:
    """Return whether the last line of a question asks the previous line for another weekday: `And on Monday?`."""
    *before, last = question.strip().split("\n")
    is_short = _ASKED_DAY.search(last) is not None and not may_ask_for_hours(last)
    return is_short and bool(before) and may_ask_for_hours(before[-1])


def without_other_day(question: str) -> str:
    """Return a question without a last line that asks the previous line for another weekday."""
    return question.strip().rpartition("\n")[0] if asks_for_another_day(question) else question


def find_opening_hours(question: str, text: str) -> StatedAnswer | None:
    """Find what a document says about the opening hours of a weekday.

    Args:
        question: the question; if it has several lines, a short last line asks the previous one for another day.
        text: the document.

    Returns:
        Yes, no, a time, hours or days; None if the question asks for none of these, or the document has no hours of
        weekdays or contradicting ones.
    """
    asked = _asked(question)
    if _ABOUT_HOURS.search(asked) is None:
        return None
    days = [_day(found[0]) for found in _ASKED_DAY.finditer(asked)]
    if len(days) > 1 or (not days and _WHICH_DAYS.search(asked) is None):
        return None
    hours = _hours_of_days(text)
    if hours is None or _is_about_something_else(asked, text, hours):
        return None
    named = {_day(found[0]) for found in _ASKED_DAY.finditer(text)}
    closed = set(range(len(_DAYS))) - named - set(hours) if len(hours) >= MIN_DAYS else set[int]()
    first = next(iter(hours.values())).sentence
    hours |= {day: _Hours("", first) for day in sorted(closed)}
    return _of_day(asked, days[0], hours) if days else _closed_days(hours)


def _asked(question: str) -> str:
    """The question to answer; `And on Monday?` repeats the previous question for another day."""
    *before, last = [line.strip() for line in question.strip().split("\n")] or [""]
    day = _ASKED_DAY.search(last)
    if day is not None and asks_for_another_day(question):
        return _ASKED_DAY.sub(day[0].rstrip("."), before[-1])
    return last_sentence(last)


def _of_day(asked: str, day: int, hours: Mapping[int, _Hours]) -> StatedAnswer | None:
    known = hours.get(day)
    if known is None:
        return None
    if _IS_OPEN.search(asked):
        asks_for_closed = re.search(r"\b(?:closed|shut)\b", asked, re.IGNORECASE) is not None
        return StatedAnswer("Yes" if _is_open(asked, known) != asks_for_closed else "No", known.sentence)
    ends = _UNTIL.split(known.text)
    if not known.text:
        wanted = "closed" if any(each.search(asked) for each in (_BEGIN, _END, _WHOLE)) else ""
    elif _END.search(asked):
        wanted = ends[-1]
    elif _WHOLE.search(asked):
        wanted = known.text
    else:
        wanted = ends[0] if _BEGIN.search(asked) else ""
    return StatedAnswer(wanted, known.sentence) if wanted else None


def _is_open(asked: str, known: _Hours) -> bool:
    """Whether it is open on that day, or at the time that the question names."""
    if not known.text:
        return False
    time = _ASKED_TIME.search(asked)
    if time is None:
        return True
    begin, end = _UNTIL.split(known.text)
    first, last, asked_for = _minutes(begin), _minutes(end), _minutes(time["time"])
    if _HALF.search(known.text) and not _HALF.search(time["time"]) and asked_for < EARLIEST:
        asked_for += MINUTES_OF_DAY // 2  # "at 3"
    return first <= asked_for < (last if last > first else last + MINUTES_OF_DAY)


def _minutes(time: str) -> int:
    plain = time.lower().replace(" ", "")
    if plain in ("noon", "midnight"):
        return 12 * 60 if plain == "noon" else MINUTES_OF_DAY
    numbers = [int(number) for number in re.findall(r"\d+", plain)]
    hour = numbers[0]
    if _HALF.search(plain):
        hour = hour % 12 + 12 * ("p" in plain)
    return hour * 60 + (numbers[1] if len(numbers) > 1 else 0)


def _closed_days(hours: Mapping[int, _Hours]) -> StatedAnswer | None:
    closed = sorted(day for day, known in hours.items() if not known.text)
    if not closed:
        return None
    names = [_DAYS[day].capitalize() for day in closed]
    joined = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return StatedAnswer(joined, hours[closed[0]].sentence)


def _hours_of_days(text: str) -> dict[int, _Hours] | None:
    """The hours that a document states for each weekday; None if there are none, or several for one day."""
    hours: dict[int, _Hours] = {}
    for piece in split_into_sentences(text):
        sentence = " ".join(piece.split())
        for days, stated in _statements(sentence):
            for day in days:
                if day in hours and hours[day].text != stated:
                    return None
                hours.setdefault(day, _Hours(stated, sentence))
    return hours or None


def _statements(sentence: str) -> Iterator[tuple[list[int], str]]:
    line = _LINE.match(sentence)
    first = line or _OPEN_DAYS.search(sentence) or _OPEN_HOURS.search(sentence)
    found = [first] if first else []
    while found and not line and (following := _AND_DAYS.match(sentence, found[-1].end())):
        found.append(following)
    for each in found:
        stated = re.sub(r"^from ", "", each["stated"].strip(), flags=re.IGNORECASE)
        yield _days(each["days"]), "" if stated.lower() == "closed" else stated
    if line is None:
        for each in _CLOSED_DAYS.finditer(sentence):
            yield _days(each["days"] or each["before"]), ""


def _days(text: str) -> list[int]:
    days: list[int] = []
    for found in re.finditer(_DAY_RANGE, text, re.IGNORECASE):
        ends = [_day(day[0]) for day in _ASKED_DAY.finditer(found[0])]
        length = (ends[-1] - ends[0]) % len(_DAYS)
        days += [(ends[0] + step) % len(_DAYS) for step in range(length + 1)]
    return days


def _day(name: str) -> int:
    return next(number for number, day in enumerate(_DAYS) if day.startswith(name.lower()[:3]))


def _is_about_something_else(asked: str, text: str, hours: Mapping[int, _Hours]) -> bool:
    """Whether a question is about something the document does not name, or with hours of its own, such as a sauna."""
    subject = content_words(_ASKED_TIME.sub("", asked)) - _QUESTION_WORDS
    if not subject <= content_words(text):
        return True
    known = {each.sentence for each in hours.values()}
    others = [" ".join(piece.split()) for piece in split_into_sentences(text)]
    return any(
        subject & content_words(other[: about.start()]) and not _MONTH.search(other)
        for other in others[1:]
        if other not in known and not is_heading(other) and (about := _ABOUT_HOURS.search(other)) is not None
    )
