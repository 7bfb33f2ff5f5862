"""Further documents of the kinds that public reports name: each lost text, gained markup, or was called damaged."""

import io
import json

import openpyxl
import pytest
from contexts.formats.builders import docx, open_document, paragraph, xlsx
from contexts.formats.pdf_pages import pdf, text
from openpyxl.comments import Comment

from lorify.contexts.documents import document_from_bytes


def read(data: bytes, name: str) -> str:
    return document_from_bytes(data, name, name[name.rindex(".") :], 1 << 24).text


@pytest.mark.parametrize("separator", ["^", "~", ":", "\x1f", "\x01"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_rare_separators(separator, name):
    rows = [["Item", "Price", "Stock"], ["Lamp", "12.50", "3"], ["Rope", "3.75", "9"]]
    data = "\n".join(map(separator.join, rows)).encode()
    assert read(data, name) == (
        "| Item | Price | Stock |\n| --- | --- | --- |\n| Lamp | 12.50 | 3 |\n| Rope | 3.75 | 9 |"
    )


@pytest.mark.parametrize(
    "row", ["Opens,12:30", "Opens;12:30", "a~b,c", "Note|a: b"], ids=["comma", "semicolon", "tilde", "bar"]
)
def test_rare_separators_inside_cells_do_not_separate(row):
    separator = next(mark for mark in ",;|" if mark in row)
    data = f"Name{separator}Value\n{row}\n{row}\n".encode()
    assert "| " + row.replace(separator, " | ") + " |" in read(data, "a.csv")


def test_rare_separators_make_no_table_of_a_text():
    note = "Name: Ada\nTown: Osby\nAge: 41"
    assert read(note.encode(), "a.txt") == note


def test_notebooks_before_format_4_are_read():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Pool"]},
        {"cell_type": "markdown", "source": ["It is long."]},
        {"cell_type": "code", "input": ["print(25)"], "outputs": [{"output_type": "stream", "text": ["25\n"]}]},
        {"cell_type": "raw", "source": ["kept as it is"]},
    ]
    found = read(json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}).encode(), "a.ipynb")
    assert found == "## Pool\n\nIt is long.\n\n```python\nprint(25)\n```\n\nOutput:\n\n25\n\nkept as it is"


def cell(content: str) -> str:
    return f"<w:tc>{content}</w:tc>"


def table(*rows: list[str]) -> str:
    return "<w:tbl>" + "".join("<w:tr>" + "".join(map(cell, row)) + "</w:tr>" for row in rows) + "</w:tbl>"


def test_a_table_inside_a_cell_of_word_stays_in_its_cell():
    inner = table([paragraph("weekdays"), paragraph("Bruno")], [paragraph("sundays"), paragraph("Ada")])
    body = table([paragraph("Area"), paragraph("Keeper")], [paragraph("Sauna"), inner])
    assert read(docx(body), "a.docx") == "| Area | Keeper |\n| --- | --- |\n| Sauna | weekdays, Bruno; sundays, Ada |"


@pytest.mark.parametrize("kind", ["docx", "html"])
def test_bars_inside_cells_separate_no_cells(kind):
    rows = "<tr><th>Key</th><th>Rule</th></tr><tr><td>or</td><td>a|b</td></tr>"
    body = table([paragraph("Key"), paragraph("Rule")], [paragraph("or"), paragraph("a|b")])
    data = docx(body) if kind == "docx" else f"<html><body><table>{rows}</table></body></html>".encode()
    assert read(data, f"a.{kind}").endswith("| or | a\\|b |")


def test_a_table_inside_a_cell_of_a_page_stays_in_its_cell():
    inner = "<table><tr><td>weekdays</td><td>Bruno</td></tr></table>"
    page = f"<table><tr><th>Area</th><th>Keeper</th></tr><tr><td>Sauna</td><td>{inner}</td></tr></table>"
    assert "| Sauna | weekdays, Bruno |" in read(f"<html><body>{page}</body></html>".encode(), "a.html")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"<w:sdt><w:sdtContent>{paragraph('In a control.')}</w:sdtContent></w:sdt>", "In a control."),
        ("<w:p><w:hyperlink><w:r><w:t>the link text</w:t></w:r></w:hyperlink></w:p>", "the link text"),
        ("<w:p><w:smartTag><w:r><w:t>Osby</w:t></w:r></w:smartTag></w:p>", "Osby"),
        (
            '<w:p><w:moveFrom w:id="1"><w:r><w:t>old</w:t></w:r></w:moveFrom>'
            '<w:moveTo w:id="2"><w:r><w:t>new</w:t></w:r></w:moveTo></w:p>',
            "new",
        ),
        (
            '<w:p><w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox><w:txbxContent>'
            f"{paragraph('In a box.')}</w:txbxContent></v:textbox></v:shape></w:pict></w:r></w:p>",
            "In a box.",
        ),
        ("<w:p><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t></w:r></w:p>", "one two"),
        ("<w:p><w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>known</w:t></w:r></w:p>", "well\u2011known"),
    ],
    ids=["control", "link", "smart tag", "moved", "text box", "tab", "hyphen"],
)
def test_texts_of_word_in_other_elements(body, found):
    assert read(docx(body), "a.docx") == found


def test_endnotes_of_word_are_read():
    body = '<w:p><w:r><w:t>The pool.</w:t></w:r><w:r><w:endnoteReference w:id="2"/></w:r></w:p>'
    data = docx(body, endnotes=f'<w:endnote w:id="2">{paragraph("Built in 1884.")}</w:endnote>')
    assert read(data, "a.docx") == "The pool.[1]\n\n1. Built in 1884."


def test_notes_and_comments_of_open_documents_follow_their_paragraph():
    body = (
        "<office:text><text:p>The pool<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Built in 1884.</text:p></text:note-body></text:note> is long.<office:annotation>"
        '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">Rita</dc:creator><text:p>How long?</text:p>'
        "</office:annotation></text:p></office:text>"
    )
    assert read(open_document("text", body), "a.odt") == (
        "The pool[1] is long.\n\n1. Built in 1884.\n\nComment by Rita: How long?"
    )


@pytest.mark.parametrize(
    ("body", "kept", "lost"),
    [
        (rb"{\header Contract LB-7731}Body.\par", ["Body.", "Contract LB-7731"], ["header"]),
        (rb"{\footerf Keeper: Ada}Body.\par", ["Body.", "Keeper: Ada"], ["footer"]),
        (rb"The pool{\footnote Built in {\b 1884}.} is long.\par", ["The pool is long.", "Built in 1884."], []),
        (rb"One.{\*\annotation Check \{this\}.}\par", ["One.", "Check {this}."], []),
        (rb"Before {\pict\pngblip 89504e470d0a1a0a} after.\par", ["Before  after."], ["89504e47"]),
        (rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt the link}}\par", ["the link"], ["HYPERLINK"]),
        (rb"{\header never closed Body.\par", ["Body."], []),
    ],
    ids=["header", "footer", "footnote", "comment", "picture", "link", "open group"],
)
def test_parts_of_rich_text_beside_its_body(body, kept, lost):
    found = read(rb"{\rtf1\ansi " + body + b"}", "a.rtf")
    assert all(part in found for part in kept) and not any(part in found for part in lost), found


def test_comments_on_cells_are_read():
    book = openpyxl.Workbook()
    book.active.append(["Item", "Price"])
    book.active.append(["Lamp", 55])
    book.active["B2"].comment = Comment("Check with Oona.", "Rita")
    buffer = io.BytesIO()
    book.save(buffer)
    assert read(buffer.getvalue(), "a.xlsx").endswith("| Lamp | 55 |\n\nComment on B2: Check with Oona.")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("#DIV/0!", "#DIV/0!"), ("one\ntwo", "one two"), ("a|b", "a\\|b"), (-3, "-3"), (False, "FALSE")],
)
def test_values_of_cells_stay_in_their_cells(value, shown):
    assert f"| Lamp | {shown} |" in read(xlsx({"S": [["Item", "Value"], ["Lamp", value]]}), "a.xlsx")


def annotated(*annotations: bytes) -> bytes:
    numbers = b" ".join(b"%d 0 R" % (10 + number) for number in range(len(annotations)))
    objects = [b"<< /Type /Annot /Rect [200 690 400 710] %s >>" % each for each in annotations]
    return pdf(text(72, 700, "The plan of the pool."), page=b"/Annots [%s]" % numbers, more=objects)


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (b"/Subtype /FreeText /Contents (Oona Tervo) /DA (/F1 10 Tf)", "Oona Tervo"),
        (b"/Subtype /Text /T (Rita) /Contents (Check with the county.)", "Comment by Rita: Check with the county."),
        (b"/Subtype /Highlight /Contents (Too long.)", "Comment by a reader: Too long."),
        (b"/Subtype /Link /Contents (nothing)", None),
        (b"/Subtype /FreeText /Contents (plan of the pool) /DA (/F1 10 Tf)", None),
    ],
    ids=["typed", "note", "highlight", "link", "shown already"],
)
def test_texts_and_comments_that_were_added_to_a_pdf(annotation, found):
    expected = "The plan of the pool." + (f"\n\n{found}" if found else "")
    assert read(annotated(annotation), "a.pdf") == expected


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xef\xbb\xbf" + b'{"keeper": "Oona"}', '{"keeper": "Oona"}'),
        ('{"keeper": "Oonä"}'.encode("utf-16"), '{"keeper": "Oonä"}'),
        (b'{"keeper": "Oona",}', '{"keeper": "Oona",}'),
        (b"[1, 2", "[1, 2"),
    ],
    ids=["mark", "utf-16", "comma", "cut"],
)
def test_json_in_any_state_is_read(data, found):
    assert read(data, "a.json") == found


def test_xml_that_is_called_a_page_is_read_without_a_warning(recwarn):
    page = b"<?xml version='1.0'?><note><table><tr><td>Keeper</td><td>Oona Tervo</td></tr></table></note>"
    assert "| Keeper | Oona Tervo |" in read(page, "a.html")
    assert not recwarn.list
