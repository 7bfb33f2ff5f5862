"""Find where quoted words begin and end: never inside an address or a number, and always within one field.

Reader and extractor work with tokens, and a single token such as `.` or `@` looks like a good place to end.
"""

from __future__ import annotations

import re

from lorify.answering.quotes.words import content_words

_NUMBER = r"\d+(?:[.,]\d+)*"
_CURRENCY = (
    r"(?:[€$£¥]|(?:EUR|USD|GBP|CHF|JPY|euros?|pounds?|dollars?|cents?|pence|francs?|kron(?:a|or|er)|yen|percent|"
    r"per cent)\b|%)"
)
# Parts of a word end at `'s`, and at hyphens between numbers, which are ranges.
_JOINT = r"(?:[./]|['’](?!s\b)|(?<=\d)[,:](?=\d)|(?<=\D)-|-(?=[^\W\d]))"
_UNITS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:https?://|www\.)[^\s<>\"'(){}\[\]|]*[\w/]",
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        rf"(?<=[ (])[-−±]{_NUMBER}|\w+(?:{_JOINT}\w+)*",  # a minus at the beginning of a line is a bullet
        r"\w[\w-]*(?:\.[\w-]+)*\.[a-z]\w{0,7}\b",  # a file
        r"\d{4}-\d\d-\d\d\b",
        r"\+\d+(?:[ /-](?:\(\d+\)|\d+))*",
        rf"(?:[€$£¥]|\b(?:EUR|USD|GBP|CHF|JPY))[ \xa0]?{_NUMBER}(?: (?:thousand|million|billion)\b)?",
        rf"{_NUMBER}(?:[ \xa0](?:thousand|million|billion))?[ \xa0]?{_CURRENCY}",
        r"[^\W\d_a-z][\w'’-]*(?: & [^\W\d_a-z][\w'’-]*)+",
        r"\d{1,2}(?:[:.]\d\d)?[ \xa0]?(?:[ap]m\b|[ap]\.m\.|o['’]clock\b)",
    )
)
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
_WEEKDAYS = re.compile(rf"\b{_WEEKDAY}(?:(?:, | and |, and | to ){_WEEKDAY})+\b", re.IGNORECASE)
_ASKS_FOR_DAYS = re.compile(r"\b(?:which|what) (?:week)?days\b", re.IGNORECASE)
_CLOSING = {"(": ")", "<": ">", "[": "]"}
_MAX_REACH = 200
"""Words are extended by at most this many characters to either side."""
_BEFORE_RANGE = re.compile(r"\b(from|between)\s+\Z", re.IGNORECASE)
_RANGE = {"from": re.compile(r"\s(?:to|until|till)\s"), "between": re.compile(r"\sand\s")}
_ASKS_FOR_END = re.compile(
    r"^\W*(?:and )?(?:to|until|till) (?:which|what|when|where|whom?)\b|\b(?:to|until|till)\W*$", re.IGNORECASE
)
_NEXT_FIELD = re.compile(r"\n\s*\n|\n(?=[ \t]*#)|\n(?=[A-Z][\w-]*(?: [\w-]+){0,2}: )")
_ROW_FIELD = re.compile(r"; (?=[^:;\n]{1,40}: )")
_ROW = re.compile(r"(?:\A|\n|; )[^:;.\n]{1,40}: ")
_LABEL = re.compile(r"(?:[-*•] )?([^:;.,\n]{1,40}): +(?=\S)")


def whole_words(text: str, begin: int, end: int, question: str) -> tuple[int, int]:
    """Move both ends of an answer so that it cuts no word or number and stays in one field.

    Args:
        text: a text.
        begin: index of the first character of the answer.
        end: index after their last character.
        question: the question.

    Returns:
        The new begin and end.
    """
    begin, end = _in_one_field(text, begin, end)
    begin, end = _without_label(text, begin, end, question)
    low, high = max(0, begin - _MAX_REACH), min(len(text), end + _MAX_REACH)
    units = (*_UNITS, _WEEKDAYS) if _ASKS_FOR_DAYS.search(question) else _UNITS
    before = (-1, -1)
    while before != (begin, end):  # repeat: an amount contains a number, which the first round completes
        before = begin, end
        for unit in units:
            for found in unit.finditer(text, low, high):
                if found.start() < end and found.end() > begin:
                    begin, end = min(begin, found.start()), max(end, found.end())
    end = _with_bracket(text, begin, end)
    return _whole_range(text, begin, end, question), end


def _in_one_field(text: str, begin: int, end: int) -> tuple[int, int]:
    """Cut words at the end of their paragraph, their line if a field follows, or their table cell."""
    begin += len(text[begin:end]) - len(text[begin:end].lstrip())
    end = _first(_NEXT_FIELD, text, begin, end)
    line = max(0, text.rfind("\n", 0, begin))
    if _ROW.search(text, line, end):
        end = _first(_ROW_FIELD, text, begin, end)
    return begin, end


def _first(boundary: re.Pattern[str], text: str, begin: int, end: int) -> int:
    """The start of the first boundary in a range; the end of the range if there is none."""
    found = boundary.search(text, begin, end + _MAX_REACH)
    return min(found.start(), end) if found else end


def _without_label(text: str, begin: int, end: int, question: str) -> tuple[int, int]:
    """Drop a field name that the question already has: `E-mail: ` before an address."""
    is_beginning = not text[:begin].rstrip(" ") or text[:begin].rstrip(" ")[-1] in "\n;-*•"
    label = _LABEL.match(text, begin, end) if is_beginning else None
    return (label.end(), end) if label and content_words(label[1]) & content_words(question) else (begin, end)


def _with_bracket(text: str, begin: int, end: int) -> int:
    """Include the closing bracket after words that open one."""
    words = text[begin:end]
    following = text[end : end + 1]
    is_open = any(
        following == close and words.count(opening) > words.count(close) for opening, close in _CLOSING.items()
    )
    return end + 1 if is_open else end


def _whole_range(text: str, begin: int, end: int, question: str) -> int:
    """Start a range at its `from`, or at its end if the question asks for that (`Until when?`)."""
    before = _BEFORE_RANGE.search(text, 0, begin)
    inner = None if before is None else _RANGE[before[1].lower()].search(text, begin, end)
    if before is None or inner is None:
        return begin
    return inner.end() if before[1].lower() == "from" and _ASKS_FOR_END.search(question) else before.start()
