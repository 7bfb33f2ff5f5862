"""Public PDFs against what their pages show: the order of the text, and the rows of tables.

    python benchmarks/pdf_reading.py DIR

DIR holds the files that `pdf_reading.json` lists, at any depth; they are told by their SHA-256. They are test files of
pdfplumber, camelot, py-pdf/sample-files and markitdown on GitHub, and are not part of lorify. The list was written by
looking at the rendered pages: phrases in reading order, and rows of tables as their cells that are not empty. A file's
text is in order if all its phrases come, one after the other; a row is kept if a line of a Markdown table has exactly
its cells. What has to be refused has its refusal as its phrase. Prints a line for each file and the totals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from pathlib import Path

from lorify.contexts.documents import MAX_BYTES, document_from_bytes
from lorify.errors import ContextError

LIST = Path(__file__).with_suffix(".json")


LEADERS = re.compile(r"(?: ?\.){3,}$")


def squeezed(text: str) -> str:
    """A text without line breaks, repeated spaces and borders of tables, as phrases may be wrapped."""
    return " ".join(text.replace("|", " ").split())


def missing_phrase(text: str, phrases: list[str]) -> str | None:
    """The first phrase that does not come after the ones before it; None if all do."""
    position = 0
    for phrase in phrases:
        found = text.find(phrase, position)
        if found < 0:
            return phrase
        position = found + len(phrase)
    return None


def table_rows(text: str) -> list[list[str]]:
    """The rows of all Markdown tables, without empty cells and the dots that lead to the next cell."""
    lines = (line.strip() for line in text.split("\n"))
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|"))
    return [[LEADERS.sub("", cell) for cell in row if cell] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=Path)
    folder = parser.parse_args().dir
    paths = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.rglob("*.pdf"))}
    entries = json.loads(LIST.read_text(encoding="utf-8"))
    num_read = num_in_order = num_rows = num_kept = num_with_tables = num_tables_kept = 0
    for entry in entries:
        path = paths.get(entry["sha256"])
        if path is None:
            print(f"{entry['name']:<48} not in {folder}")
            continue
        started = time.perf_counter()
        try:
            text = document_from_bytes(path.read_bytes(), path.name, path.suffix, MAX_BYTES).text
        except ContextError as error:
            text = str(error)
        seconds = time.perf_counter() - started
        missing = missing_phrase(squeezed(text), entry["phrases"])
        found = table_rows(text)
        lost = [row for row in entry["rows"] if row not in found]
        num_read += 1
        num_in_order += missing is None
        num_rows += len(entry["rows"])
        num_kept += len(entry["rows"]) - len(lost)
        num_with_tables += bool(entry["rows"])
        num_tables_kept += bool(entry["rows"]) and not lost
        notes = [f"out of order or missing: {missing!r}"] * (missing is not None) + [f"lost: {row}" for row in lost]
        print(f"{entry['name']:<48} {seconds:5.2f} s  {'; '.join(notes) or 'right'}")
    print(
        f"{num_read} files of {len(entries)}: {num_in_order} in reading order; tables kept whole in {num_tables_kept} "
        f"of {num_with_tables} files that have one; {num_kept} of {num_rows} rows"
    )


if __name__ == "__main__":
    main()
