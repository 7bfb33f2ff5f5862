"""Formats are told by the content of a file, whatever its name is, and errors say what is wrong."""

import io
import sys

import pytest
from contexts.formats.builders import docx, epub, open_document, paragraph, pptx, xlsx, zipped
from contexts.formats.pdf_pages import pdf, text

from lorify.contexts.documents import document_from_bytes, read_document
from lorify.errors import ContextError

FACT = "The deputy is Kasimir Blau."
MAIL = f"From: Ann <ann@osby.example>\nMessage-ID: <1@osby>\nSubject: Deputy\n\n{FACT}\n".encode()
RTF = rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0\fs24 The deputy is Kasimir Blau.\par}"
OPEN = open_document("text", f"<office:text><text:p>{FACT}</text:p></office:text>")
HTML = f"<!DOCTYPE html>\n<html><head><title>x</title></head><body><p>{FACT}</p></body></html>".encode()
NOTEBOOK = (
    b'{"cells": [{"cell_type": "markdown", "source": ["The deputy is Kasimir Blau."]}], "nbformat": 4, "metadata": {}}'
)
FEED = "<?xml version='1.0'?><rss version='2.0'><channel><title>News</title><item>"
FEED = (FEED + f"<title>{FACT}</title></item></channel></rss>").encode()
FILES = {
    ".docx": docx(paragraph(FACT)),
    ".xlsx": xlsx({"Plan": [["Role", "Name"], ["deputy", FACT]]}),
    ".pptx": pptx("Osby", FACT),
    ".epub": epub([f"<p>{FACT}</p>"]),
    ".odt": OPEN,
    ".pdf": pdf(text(72, 700, FACT)),
    ".rtf": RTF,
    ".html": HTML,
    ".eml": MAIL,
    ".ipynb": NOTEBOOK,
    ".xml": FEED,
}


def read(data: bytes, name: str) -> str:
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    return document_from_bytes(data, name, suffix, 1 << 24).text


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("name", ["a{}", "a", "a.txt", "a.dat", "a.doc"])
def test_the_content_tells_the_format(suffix, name):
    found = read(FILES[suffix], name.format(suffix))
    assert FACT in found
    assert not any(mark in found for mark in ("PK", "<p>", "rtf1", "nbformat", "Message-ID", "<rss"))


@pytest.mark.parametrize("suffix", FILES)
def test_standard_input_may_be_of_any_format(monkeypatch, suffix):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FILES[suffix])))
    assert FACT in read_document("-").text


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (HTML, "table.xls"),  # what many programs call an Excel file
        (b"Item\tPrice\nBench\t120\nLamp\t55\n", "table.xls"),
        (HTML, "page.docx"),
        (FILES[".docx"], "paper.pdf"),
        (FILES[".pdf"], "paper.docx"),
        (FILES[".xlsx"], "list.csv"),
    ],
)
def test_a_wrong_suffix_does_not_matter(data, name):
    assert "Kasimir" in read(data, name) or "| Bench | 120 |" in read(data, name)


@pytest.mark.parametrize("separator", [";", "\t", ",", "|"])
def test_a_table_on_standard_input_is_told_by_its_cells(monkeypatch, separator):
    table = "\n".join(
        separator.join(row) for row in (["Item", "Colour", "Price"], ["Bench", "blue", "120"], ["Lamp", "red", "55"])
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(table.encode())))
    assert "| Bench | blue | 120 |" in read_document("-").text


@pytest.mark.parametrize(
    "text_",
    [
        "Dear Ann,\n\nthe bench, the lamp and the table are sold, I fear.\n"
        "They were old, small, and blue.\n\nYours,\nBob",
        "red, green\nblue, white\nblack, brown",
        "Osby\nLund\nMalmo",
        "def f(a, b):\n    return a, b\n\nprint(f(1, 2))",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "Name: Ann\nTown: Osby\n\nShe lives there.",
        "Subject: the harbour\nNote: nothing yet\n\nNo mail at all.",
    ],
)
def test_text_stays_text(text_):
    assert read(text_.encode(), "a.txt") == text_


@pytest.mark.parametrize("name", ["a.srt", "a.cfg", "a.sql", "a.vcf", "a.xml", "a.go"])
def test_any_file_of_text_is_read(name):
    assert read(f"<note>{FACT}</note>\n".encode(), name) == f"<note>{FACT}</note>"


def test_source_code_is_never_taken_for_a_page():
    page = "<html>\n<p>kept</p>\n</html>"
    assert read(page.encode(), "a.py") == page


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        ContextError, match=r"a\.xlsx is .*, which needs the package openpyxl; run `pip install openpyxl`"
    ) as error:
        read(FILES[".xlsx"], "a.xlsx")
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (FILES[".docx"][:400], "a.docx", "is damaged"),
        (FILES[".xlsx"][:-60], "a.xlsx", "is damaged"),
        (FILES[".pptx"][:5000], "deck", "is damaged"),
        (zipped({"[Content_Types].xml": "wordprocessingml"}), "a.docx", "is damaged"),
        (zipped({"xl/workbook.xml": "<oops"}), "a.xlsx", "is damaged"),
        (bytes(range(256)) * 8, "a.pptx", "is damaged"),
        (zipped({"a.bin": bytes(range(256)) * 8}), "a.zip", "is an archive without a readable document"),
        (zipped({"inner.zip": zipped({"a.txt": FACT})}), "a.zip", "is an archive itself"),
        (b"{}", "a.ipynb", "is damaged"),
    ],
)
def test_damaged_files_are_called_so(data, name, reason):
    with pytest.raises(ContextError, match=reason) as error:
        read(data, name)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_an_archive_gives_its_documents_under_their_names():
    archive = zipped({"plan/a.txt": "The pool opens at six.", "b.docx": FILES[".docx"], "__MACOSX/._a": b"\0\1"})
    assert read(archive, "all.zip") == f"# plan/a.txt\n\nThe pool opens at six.\n\n# b.docx\n\n{FACT}"


def test_an_archive_that_is_too_large_when_unpacked_is_refused():
    with pytest.raises(
        ContextError, match=r"has 30,000,000 bytes when unpacked, at most 16,777,216 are read; split it"
    ):
        read(zipped({"a.txt": b" " * 30_000_000}), "bomb.zip")


@pytest.mark.parametrize("suffix", [".docx", ".xlsx", ".pptx", ".epub", ".odt"])
def test_an_archive_with_any_damaged_byte_is_read_or_refused(suffix):
    data = FILES[suffix]
    outcomes = set()
    for position in [*range(4, 60), *range(60, len(data), len(data) // 40)]:
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        try:
            read(bytes(damaged), f"a{suffix}")
            outcomes.add("read")
        except ContextError as error:
            outcomes.add("refused")
            assert "\n" not in str(error)
    assert "refused" in outcomes


def test_an_encrypted_archive_is_refused_as_such():
    data = bytearray(OPEN)
    data[6] |= 1  # the flag in the first member's header, and in its entry of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ContextError, match="is encrypted"):
        read(bytes(data), "a.odt")
