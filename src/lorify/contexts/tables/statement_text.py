"""Strip table rules, cell borders and other markup from documents, so that questions can be asked about sentences."""

from __future__ import annotations

import re

from lorify.contexts.tables.json_rows import read_in_words

_RULE = re.compile(r"^[ \t|:+=_*~-]*$|^\s*(?:```|~~~)")
"""A line that is only markup: a rule, the dashes under column names, or a code fence."""
_HTML = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>\n]*>", re.DOTALL)
_MARKS = re.compile(r"\[\^[^\]\n]+\]:?|`+|(?<=[-*+.)] )\[[ xX]\] ")
"""Footnote marks, code quotes, and to-do checkboxes."""
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*(?:\s+\"[^\"\n]*\")?\)")
_EMPHASIS = re.compile(r"(?<![\w*_])(\*{1,3}|_{1,3})(?=\S)([^*_\n]+?)(?<=\S)\1(?![\w*_])")
_BLANKS = re.compile(r"(?<=\S) {2,}")
_GAP = re.compile(r"\n{3,}")
_BORDERS = re.compile(r"\s*(?<!\\)\|\s*")


def statement_text(text: str) -> str:
    """Return a document without markup, for questions about its sentences.

    Table rows and JSON objects are written as text, as when the document is internalized, one per paragraph.

    Example:
        >>> statement_text("**Sizes**\\n\\n| size | price |\\n|---|---|\\n| small | 3 euros |").split("\\n\\n")
        ['Sizes', 'size: small; price: 3 euros.']
    """
    text = _HTML.sub(" ", text)
    given = set(text.split("\n"))
    lines: list[str] = []
    for line in read_in_words(text).split("\n"):
        in_words = line not in given
        plain = line if in_words else _without_markup(line)
        lines += ["", plain, ""] if in_words else [plain]
    return _BLANKS.sub(" ", _GAP.sub("\n\n", "\n".join(lines))).strip("\n")


def _without_markup(line: str) -> str:
    if _RULE.match(line):
        return ""
    plain = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", _MARKS.sub("", line)))
    if line.lstrip().startswith("|"):  # a row outside any table
        plain = _BORDERS.sub("; ", plain).strip("; ").replace("\\|", "|")
    return plain
