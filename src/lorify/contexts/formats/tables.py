"""Write rows of cells as Markdown tables, and read separated values (CSV, TSV etc.) with any separator."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent

SEPARATORS = ",;\t|"
_RARE_SEPARATORS = "^~:\x01\x1f"
"""Separators that are only expected in files with the suffix of a table."""
_SAMPLE_ROWS = 200
_MAX_CELL_CHARS = 40


def read_separated(source: FileContent) -> str:
    """Read separated values as a Markdown table; lines before the heading stay plain lines."""
    text = decode(source.data, source.name)
    separator, text = _declared_separator(text)
    return markdown_tables(
        _parse(text, separator or find_separator(text) or find_separator(text, _RARE_SEPARATORS) or ",")
    )


def markdown_tables(rows: Sequence[Sequence[str]]) -> str:
    """Write rows as Markdown.

    Args:
        rows: cells of each row; rows may differ in length. The first row with more than one cell is the heading.

    Returns:
        A Markdown table without empty rows and columns. Rows before the heading with a single cell become lines.
    """
    cleaned = [[_clean(cell) for cell in row] for row in rows]
    kept = [row for row in cleaned if any(row)]
    start = 0
    if any(sum(map(bool, row)) > 1 for row in kept):
        start = next(index for index, row in enumerate(kept) if sum(map(bool, row)) > 1)
    titles = ["".join(row) for row in kept[:start]]
    return "\n\n".join([*titles, _table(kept[start:])] if kept else [])


def find_separator(text: str, candidates: str = SEPARATORS) -> str | None:
    """Return the separator of separated values: the one that gives most rows the same number of cells.

    Args:
        text: the separated values.
        candidates: the characters that may separate them.

    Returns:
        The separator, or None if no character gives rows of at least two cells.
    """
    scores = {separator: _score(_sample(text, separator)) for separator in candidates}
    best = max(scores, key=lambda separator: scores[separator])
    return best if scores[best] > (0, 0) else None


def looks_like_table(text: str) -> bool:
    """Return whether a text is comma-, tab- or otherwise separated values, judged by its content alone.

    At least three rows must have the same number of short cells.
    """
    separator = find_separator(text)
    if separator is None:
        return False
    rows = [row for row in _sample(text, separator) if any(row)]
    if len(rows) < 3 or _score(rows)[0] < 1.0:
        return False
    cells = [cell for row in rows for cell in row]
    # Prose has a space after a comma; a table cell never begins with one.
    spaced = sum(cell.startswith(" ") for cell in cells)
    long = sum(len(cell) > _MAX_CELL_CHARS for cell in cells)
    looks_like_markdown = separator == "|" and any(not row[0].strip() and not row[-1].strip() for row in rows)
    return (
        not spaced and long <= 0.1 * len(cells) and (len(rows[0]) > 2 or separator != ",") and not looks_like_markdown
    )


def _declared_separator(text: str) -> tuple[str | None, str]:
    """Split off the line `sep=;` that Excel reads and writes."""
    first, _, rest = text.lstrip("\ufeff").partition("\n")
    first = first.strip().strip('"')
    if first.lower().startswith("sep=") and len(first) == len("sep=") + 1:
        return first[-1], rest
    return None, text


def _parse(text: str, separator: str) -> list[list[str]]:
    content = text.lstrip("\ufeff")
    try:
        return list(csv.reader(io.StringIO(content, newline=""), delimiter=separator))
    except csv.Error:  # an unclosed quote turns the whole rest into one cell
        return list(csv.reader(io.StringIO(content, newline=""), delimiter=separator, quoting=csv.QUOTE_NONE))


def _sample(text: str, separator: str) -> list[list[str]]:
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in reader:
            rows.append(row)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows


def _score(rows: list[list[str]]) -> tuple[float, int]:
    """Return the share of rows with the most common number of cells, and that number; zeros if the number is one."""
    counts = Counter(len(row) for row in rows if any(cell.strip() for cell in row))
    if not counts:
        return 0, 0
    usual, num_rows = max(counts.items(), key=lambda item: (item[1], item[0]))
    if usual == 1 and len(counts) > 1:  # there may be more lines before the table than rows in it
        rest = Counter({width: count for width, count in counts.items() if width > 1})
        usual, num_rows = rest.most_common(1)[0]
        return (num_rows / sum(rest.values()) / 2, usual) if num_rows > 1 else (0, 0)
    return (num_rows / sum(counts.values()), usual) if usual > 1 else (0, 0)


def _clean(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|")


def _table(rows: list[list[str]]) -> str:
    width = max(map(len, rows))
    padded = [row + [""] * (width - len(row)) for row in rows]
    used = [column for column in range(width) if any(row[column] for row in padded)]
    lines = ["| " + " | ".join(row[column] for column in used) + " |" for row in padded]
    rule = "| " + " | ".join("---" for _ in used) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])
