"""Tables of public PDFs against their published structure: how many of their rows are kept?

    python benchmarks/pdf_tables.py DIR

DIR holds the PDFs of the ICDAR 2013 table competition and their structure, `NAME-str.xml`, at any depth. They are in
the repository tabulapdf/tabula-java on GitHub (folder icdar2013-dataset), and are not part of lorify. A row is kept if
a line of a Markdown table has exactly its cells, apart from empty ones, spaces and case; rows of a single cell do not
count. Prints a line for each file and the totals, also for the rows that hold a number: headings of several lines are
one row in the published structure and mostly several here.
"""

from __future__ import annotations

import argparse
import re
import time
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml.ElementTree import parse
from pdf_reading import table_rows

from lorify.contexts.documents import MAX_BYTES, document_from_bytes
from lorify.errors import ContextError

_LEADERS = re.compile(r"\.{3,}$|…$")
KEPT_SHARE = 0.9
"""Share of its rows above which the tables of a file count as kept."""


def squeezed(cell: str) -> str:
    """A cell without spaces, the dots that lead to the next cell, and the forms and case of its letters."""
    return _LEADERS.sub("", "".join(unicodedata.normalize("NFKC", cell.replace("\\|", "|")).casefold().split()))


def published_rows(structure: Path) -> list[tuple[str, ...]]:
    """The rows of all tables of a file that have at least two cells with text."""
    rows: dict[tuple[int, int, int], list[tuple[int, str]]] = defaultdict(list)
    for number, table in enumerate(parse(structure).getroot().iter("table")):
        for part, region in enumerate(table.iter("region")):
            for cell in region.iter("cell"):
                text = squeezed(cell.findtext("content") or "")
                if text:
                    key = number, part, int(cell.get("start-row", "0"))
                    rows[key].append((int(cell.get("start-col", "0")), text))
    return [tuple(text for _, text in sorted(cells)) for _, cells in sorted(rows.items()) if len(cells) > 1]


@dataclass
class Kept:
    """The rows that are kept of all files."""

    num_rows: int = 0
    num_kept: int = 0
    shares: list[float] = field(default_factory=list)

    def add(self, rows: list[tuple[str, ...]], lost: list[tuple[str, ...]]) -> float:
        """Count the rows of a file, and return the share that is kept."""
        share = 1 - len(lost) / len(rows) if rows else 1.0
        self.num_rows += len(rows)
        self.num_kept += len(rows) - len(lost)
        self.shares.append(share)
        return share

    def __str__(self) -> str:
        whole = sum(share >= KEPT_SHARE for share in self.shares)
        return (
            f"{self.num_kept} of {self.num_rows} kept ({self.num_kept / self.num_rows:.2f}), "
            f"{sum(self.shares) / len(self.shares):.2f} a file; at least {KEPT_SHARE:.0%} of them in {whole} of "
            f"{len(self.shares)} files"
        )


def has_number(row: tuple[str, ...]) -> bool:
    """Whether a cell after the first holds a digit, as in most rows below a heading."""
    return any(character.isdigit() for cell in row[1:] for character in cell)


def read_rows(path: Path) -> Counter[tuple[str, ...]]:
    """The rows of all Markdown tables of a PDF as lorify reads it; none if it refuses it."""
    try:
        text = document_from_bytes(path.read_bytes(), path.name, path.suffix, MAX_BYTES).text
    except ContextError as error:
        print(error)
        return Counter()
    cells = ([squeezed(cell) for cell in row] for row in table_rows(text))
    return Counter(tuple(cell for cell in row if cell) for row in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--lost", action="store_true", help="print the rows that are lost")
    options = parser.parse_args()
    every, numbered = Kept(), Kept()
    for structure in sorted(options.dir.rglob("*-str.xml")):
        path = structure.with_name(structure.name.replace("-str.xml", ".pdf"))
        rows = published_rows(structure)
        if not rows or not path.exists():
            continue
        started = time.perf_counter()
        found = read_rows(path)
        lost = list((Counter(rows) - found).elements())
        seconds = time.perf_counter() - started
        share = every.add(rows, lost)
        of_numbers = numbered.add(list(filter(has_number, rows)), list(filter(has_number, lost)))
        print(
            f"{path.name:<16}{seconds:6.2f} s  {len(rows) - len(lost):>4} of {len(rows):>4} rows  {share:.2f}, "
            f"with a number {of_numbers:.2f}"
        )
        for row in lost if options.lost else []:
            print("    lost:", " | ".join(row))
    print(f"rows: {every}")
    print(f"rows with a number: {numbered}")


if __name__ == "__main__":
    main()
