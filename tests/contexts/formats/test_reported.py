"""Documents of public reports, as people reported them."""

from pathlib import Path

import pytest

from lorify.contexts.documents import read_document
from lorify.contexts.tables.markdown_rows import rows_in_words

FILES = Path(__file__).parents[2] / "data" / "files" / "reported"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (
            "comment-lost.docx",
            [
                "Contract number LB-7731",  # in the header
                "| Sauna | weekdays, Bruno Haldane |",  # a table inside a cell
                "The heating runs at $E=mc^{2}$",
                "The emergency code is 9042.",  # in a text box
                "Tervo 🏊.[1]",
                "1. Her deputy is Kasimir Blau.",
                "Keeper of this document: Wanda Orsini",  # in the footer
                "Comment by Rita: Check with the county office.",
            ],
        ),
        ("docx-without-suffix", ["Contract number LB-7731", "The pool is 25 metres long."]),
        ("form-values-lost.pdf", ["Name of the bath master:", "Oona Tervo"]),
        ("pptx-called-damaged.pptx", ["# Larch Baths", "Oona Tervo", "The budget is 84,000 euros."]),
        ("raw-rtf.rtf", ["The bath master is Oona Tervo.\nThe deputy is Kasimir Blau."]),
        ("semicolon.csv", ["| Gießkanne | grün | 12,50 |", "| Klapptisch | weiß | 49,00 |"]),
        ("xlsx-called-damaged.xlsx", ["| Design | Ana | Done | 12 | 2026-01-05 |"]),
    ],
)
def test_nothing_that_a_report_missed_is_missing(name, texts):
    found = read_document(FILES / name).text
    assert [text for text in texts if text not in found] == []
    assert not any(mark in found for mark in ("rtf1", "word/document.xml", "fonttbl", "<!--"))


def test_prices_of_the_reported_table_are_internalized_with_their_columns():
    found = rows_in_words(read_document(FILES / "semicolon.csv").text)
    assert "Artikel: Schürze; Farbe: blau; Preis: 8,90." in found
