"""The lists in a document: bullet points and steps, columns of tables, and enumerations in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median_low

from lorify.answering.sources import Source

MIN_ENUMERATED = 3
"""Minimum number of items of an enumeration; in a pair, the items cannot be told from the words around them."""
MAX_ITEM_WORDS = 6
MAX_HEADING_WORDS = 8
MAX_STEP_SENTENCES = 6
_BULLET = re.compile(r"^(?:[-*•–+]|\(?\w{1,3}[.)](?=\s|$))\s*(?!\*)")
_ROW = re.compile(r"(?:^|; )([^:;]{1,40}): ")
_ITEM = r"[^,;:.!?()\n]+"
_ENUMERATION = re.compile(rf"(?:{_ITEM}[,;]\s+)+(?:and |or )?{_ITEM}(?:,? (?:and|or) {_ITEM})?")
_SEPARATOR = re.compile(r"[,;]\s+(?:and |or )?|\s+(?:and|or)\s+")
_CLAUSE_WORD = re.compile(
    r"\b(?:which|who|that|when|where|while|is|are|was|were|has|have|had|but|because)\b|^one \w+ ", re.IGNORECASE
)
_AFTER = re.compile(
    r"\s+(?:on|in|at|for|from|with|to|by|during|every|each|until|as|after|before|since|under|near|are|is|were|was)\b.*"
)
_MARKS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_NO = re.compile(r"^\W*(?:no|none|never|false|off|not \w+)?\W*$", re.IGNORECASE)
_RULE = re.compile(r"^[-=*_~ ]{3,}$")
_LABEL = re.compile(r"^(?:[-*•] )?([^,:;.!?]{2,60}): +(?=\S)")
_ASIDE = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True)
class ItemList:
    """A list in a document.

    Attributes:
        items: its items, without bullets and Markdown markup.
        title: what is listed: the line before the list, the heading, or the column name.
        sources: the sentences that hold the items, in order.
        is_block: whether each item is on its own lines, so that it is certainly a list.
        cells: for a column of a table, the cells of each item's row by column name.
    """

    items: Sequence[str]
    title: str
    sources: Sequence[Source]
    is_block: bool
    cells: Sequence[Mapping[str, str]] = ()

    @property
    def best(self) -> Source:
        """The sentence in which the reader most probably located the answer."""
        return max(self.sources, key=lambda source: source.probability)


def find_item_lists(sentences: Sequence[Source]) -> Iterator[ItemList]:
    """Yield the lists of a document.

    Args:
        sentences: all sentences of the document, in order.
    """
    sentences = [s for s in sentences if _RULE.match(s.sentence) is None]  # underlines of headings
    yield from _bulleted(sentences)
    yield from _columns(sentences)
    for sentence in sentences:
        if _BULLET.match(sentence.sentence) is None and len(_ROW.findall(sentence.sentence)) < 2:
            yield from _enumerated(sentence)


def _bulleted(sentences: Sequence[Source]) -> Iterator[ItemList]:
    """Runs of lines with a bullet, number or letter; a step's number may be split off as a separate sentence."""
    start = 0
    while start < len(sentences):
        items: list[Source] = []
        end = start
        while end < len(sentences) and (match := _BULLET.match(sentences[end].sentence)):
            if match.end() == len(sentences[end].sentence):  # the item is the next sentence, and more may follow
                end += 1
                if end < len(sentences):
                    items.append(sentences[end])
                while (
                    end < len(sentences)
                    and _BULLET.match(sentences[end].sentence) is None
                    and _has_next_step(sentences, end)
                ):
                    end += 1
            else:
                items.append(sentences[end])
                end += 1
        if len(items) > 1:
            texts = [_clean(_BULLET.sub("", item.sentence, count=1)) for item in items]
            yield ItemList(texts, _title(sentences, start), items, is_block=True)
        start = max(end, start + 1)


def _has_next_step(sentences: Sequence[Source], position: int) -> bool:
    """Whether another step number on a line of its own follows soon."""
    following = sentences[position + 1 : position + MAX_STEP_SENTENCES]
    return any((m := _BULLET.match(s.sentence)) is not None and m.end() == len(s.sentence) for s in following)


def _columns(sentences: Sequence[Source]) -> Iterator[ItemList]:
    """The columns of tables, whose rows are written `Name: value; Name: value.`.

    A column in which some cells say no is a condition on the others, as in `Which rooms are heated?`.
    """
    position = 0
    for names, group in groupby(sentences, key=lambda s: tuple(_ROW.findall(s.sentence))):
        rows = list(group)
        if len(names) > 1 and len(rows) > 1:
            cells = [_cells(row.sentence) for row in rows]
            conditions = [name for name in names if any(is_no(row[name]) for row in cells)]
            title = " ".join((_title(sentences, position), *conditions))
            for name in names:
                if name not in conditions:
                    yield ItemList([row[name] for row in cells], f"{title} {name}", rows, True, cells)
        position += len(rows)


def is_no(cell: str) -> bool:
    """Return whether a cell of a table says no."""
    return _NO.match(cell) is not None


def _cells(row: str) -> dict[str, str]:
    parts = _ROW.split(row.removesuffix("."))[1:]
    return {name: _clean(value) for name, value in zip(parts[::2], parts[1::2], strict=True)}


def _title(sentences: Sequence[Source], start: int) -> str:
    """The line before a list, with the nearest heading above if the line is not one."""
    if not start:
        return ""
    line = sentences[start - 1].sentence
    if _is_heading(line):
        return line
    heading = next((s.sentence for s in reversed(sentences[: start - 1]) if _is_heading(s.sentence)), "")
    return f"{heading} {line}"


def _is_heading(line: str) -> bool:
    return line.startswith(("#", "**")) or (len(line.split()) <= MAX_HEADING_WORDS and line[-1:].isalnum())


def _clean(item: str) -> str:
    return " ".join(_MARKS.sub("", item).split()).rstrip(" ,;.")


def _enumerated(sentence: Source) -> Iterator[ItemList]:
    """The enumeration of at least `MIN_ENUMERATED` short items in a sentence, if it has exactly one."""
    text = _ASIDE.sub("", " ".join(sentence.sentence.split()))
    label = _LABEL.match(text)
    if label is not None:
        parts = _parts(text[label.end() :].rstrip("."))
        if len(parts) > 1 and all(len(part.split()) <= MAX_ITEM_WORDS for part in parts):
            yield ItemList(list(map(_clean, parts)), text, [sentence], is_block=False)
            return
    found = [items for match in _ENUMERATION.finditer(text) if (items := _items(match.group()))]
    if len(found) == 1:
        yield ItemList(list(map(_clean, found[0])), text, [sentence], is_block=False)


def _parts(text: str) -> list[str]:
    return [" ".join(part.split()) for part in _SEPARATOR.split(text) if part.strip()]


def _items(text: str) -> list[str] | None:
    """The items of an enumeration, without the words before the first and after the last."""
    parts = _parts(text)
    middle = parts[1:-1]
    if len(parts) < MIN_ENUMERATED or any(len(p.split()) > MAX_ITEM_WORDS or _CLAUSE_WORD.search(p) for p in middle):
        return None
    lengths = [len(part.split()) for part in middle]
    last = _AFTER.sub("", " ".join(parts[-1].split()[: max(lengths) + 1])) or parts[-1]
    return [" ".join(parts[0].split()[-median_low(lengths) :]), *middle, last]
