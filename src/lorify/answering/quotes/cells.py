"""Cells: `What is the weight of the K300?` is answered with the cell in the named row and column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lorify.answering.quotes.stated_answer import StatedAnswer
from lorify.answering.quotes.words import content_words, last_sentence
from lorify.hypernets.associative.questions.table_keys import TableRow, named_keys, tables_of

MIN_ABBREVIATION = 3
"""Minimum characters of an abbreviated word in a column name, as in `Max. head`."""
_SYNONYMS: Mapping[str, str] = {
    "price": "price cost costs much pay expensive",
    "cost": "cost costs price much pay expensive",
    "fee": "fee cost costs price much pay",
    "weight": "weight weigh weighs heavy",
    "length": "length long",
    "height": "height high tall",
    "width": "width wide",
    "depth": "depth deep",
    "size": "size big large",
    "meaning": "meaning mean means do does",
    "description": "description mean means do does",
    "purpose": "purpose mean means do does",
}
"""Words that ask for a column, keyed by a word of its name."""
_DO = re.compile(r"^\W*(?:and )?what (?:does|do|is) .*\b(?:do|for)\W*$", re.IGNORECASE)
_HOW_MUCH_IS = re.compile(r"\bhow much (?:is|are|was|were)\b", re.IGNORECASE)
_GENERIC = content_words(
    "what which how much many is are default value exact give tell model option field code parameter flag setting used "
    "use have has come called one set table listed much long need take require draw consume offer provide reach get"
)
_WHICH = re.compile(r"^\W*(?:and )?(?:which|what) (?P<noun>\w+)", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:what|which|how|when|where|who)\b", re.IGNORECASE)


def find_cell(question: str, text: str) -> StatedAnswer | None:
    """Find the cell of a table that a question asks for.

    Args:
        question: the question; only its last sentence counts.
        text: a document with its tables written as text.

    Returns:
        The cell and its row; None unless the question names one row and one column of one table and little else.
    """
    asked = last_sentence(question)
    if _WORDS.search(asked) is None:
        return None
    found: set[StatedAnswer] = set()
    for rows in tables_of(text):
        if len(rows) < 2:
            continue
        cell = _cell(asked, rows, text) or _key(asked, rows, text)
        if cell is not None:
            found.add(cell)
    return found.pop() if len(found) == 1 else None


def _cell(asked: str, rows: Sequence[TableRow], text: str) -> StatedAnswer | None:
    """The cell in the row and the column that a question names."""
    keys = named_keys(asked, rows)
    if len(keys) != 1:
        return None
    (row,), (begin, end) = [rows[i] for i in keys], next(iter(keys.values()))
    rest = content_words(f"{asked[:begin]} {asked[end:]}")
    rest -= set() if _HOW_MUCH_IS.search(asked) else {"much"}  # "How much does it weigh?" asks for no price
    rest |= {"do"} if _DO.search(asked) else set()
    scores = {cell.column: len(_matched(cell.column, rest)) for cell in row.cells[1:]}
    best = max(scores.values(), default=0)
    columns = [column for column, score in scores.items() if score == best]
    if not best or len(columns) != 1 or not _is_whole(columns[0], rest):
        return None
    left = rest - _matched(columns[0], rest) - _GENERIC - content_words(row.cells[0].column) - {"do"}
    if not left <= _names(rows) | content_words(_first_line(text)) | content_words(_before(text, rows)):
        return None
    value = next(cell.text for cell in row.cells if cell.column == columns[0])
    return StatedAnswer(value.strip("`* "), text[row.begin : row.end])


def _key(asked: str, rows: Sequence[TableRow], text: str) -> StatedAnswer | None:
    """The key of the only row with a cell that the question names, if it asks for a key (`Which pump ...?`)."""
    found = _WHICH.search(asked)
    if found is None:
        return None
    noun, kinds = content_words(found["noun"]), content_words(rows[0].cells[0].column)
    if not noun or not noun <= kinds | content_words(_before(text, rows)) | content_words(_first_line(text)):
        return None
    asked_words = content_words(asked) - _GENERIC - noun - kinds
    named = [
        row
        for row in rows
        if any(
            (words := content_words(cell.text))
            and words <= asked_words
            and asked_words - words <= content_words(cell.column) | _synonyms(cell.column)
            for cell in row.cells[1:]
        )
    ]
    if len(named) != 1:
        return None
    return StatedAnswer(named[0].cells[0].text.strip("`* "), text[named[0].begin : named[0].end])


def _matched(column: str, rest: set[str]) -> set[str]:
    """The words of a question that name a column."""
    names = content_words(column)
    return {word for word in rest if any(_means(word, name) for name in names)} | (_synonyms(column) & rest)


def _is_whole(column: str, rest: set[str]) -> bool:
    """Whether a question names every word of a column or a synonym of it."""
    return bool(_synonyms(column) & rest) or all(
        any(_means(word, name) for word in rest) for name in content_words(column)
    )


def _means(word: str, name: str) -> bool:
    """Whether a word of a question matches a word of a column name, which may be abbreviated."""
    return word == name or (len(name) >= MIN_ABBREVIATION and word.startswith(name))


def _synonyms(column: str) -> set[str]:
    """The stems of words that ask for a column; `do` counts here, though elsewhere it is a function word."""
    found = [words for name, words in _SYNONYMS.items() if name in column.lower().split()]
    return {word for words in found for word in content_words(words) | ({"do"} & set(words.split()))}


def _names(rows: Sequence[TableRow]) -> set[str]:
    return {word for cell in rows[0].cells for word in content_words(cell.column)}


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def _before(text: str, rows: Sequence[TableRow]) -> str:
    """The last lines before a table."""
    return "\n".join(text[: rows[0].begin].rstrip().split("\n")[-3:])
