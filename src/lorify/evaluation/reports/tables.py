"""Tables as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

Row = dict[str, str | int | float | None]
"""One row of a table: values by column."""


def as_csv(rows: Sequence[Row]) -> str:
    """Format rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Format rows as a Markdown table without its empty columns."""
    columns = [key for key in rows[0] if any(row[key] not in (None, "") for row in rows)] if rows else []
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join("" if row[key] is None else str(row[key]) for key in columns) + " |")
    return "\n".join(lines)
