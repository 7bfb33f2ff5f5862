"""Tables of results on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lorify.commands.terminal import print_line


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table; values of None are left blank.

    Args:
        rows: at least one, all with the same columns.
    """
    columns = list(rows[0])
    cells = [columns, *(["" if row[c] is None else str(row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print_line("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
