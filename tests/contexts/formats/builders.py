"""Small documents of many formats."""

import io
import itertools
import struct
import zipfile
from collections.abc import Sequence

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"


def zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, **parts: str) -> bytes:
    """A Word document; `parts` are further parts by name, such as header1, footnotes or comments."""
    relations = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/{name.rstrip("0123456789")}" Target="{name}.xml"/>'
        for number, name in enumerate(parts, start=1)
    )
    types = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_WORD_TYPE}.{name.rstrip("0123456789")}+xml"/>'
        for name in parts
    )
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{_WORD_TYPE}.document.main+xml"/>{types}</Types>',
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f"{relations}</Relationships>",
            "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
            **{
                f"word/{name}.xml": f'<w:{kind} xmlns:w="{W}">{xml}</w:{kind}>'
                for name, xml in parts.items()
                for kind in [name.rstrip("0123456789")]
            },
        }
    )


def xlsx(sheets: dict[str, list[list[object]]], formats: dict[str, str] | None = None) -> bytes:
    """An Excel workbook; `formats` are number formats by the cell of the first sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    for cell, number_format in (formats or {}).items():
        book.worksheets[0][cell].number_format = number_format
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def pptx(title: str, body: str, notes: str = "", table: list[list[str]] | None = None) -> bytes:
    import pptx
    from pptx.util import Inches

    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = title
    slide.placeholders[1].text = body
    if notes:
        slide.notes_slide.notes_text_frame.text = notes
    if table:
        size = len(table), len(table[0])
        shape = slide.shapes.add_table(*size, Inches(1), Inches(4), Inches(4), Inches(1))
        for i, row in enumerate(table):
            for j, cell in enumerate(row):
                shape.table.cell(i, j).text = cell
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def epub(chapters: list[str], title: str = "The harbour") -> bytes:
    items = "".join(
        f'<item id="c{i}" href="c{i}.xhtml" media-type="application/xhtml+xml"/>' for i in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="book.opf"/></rootfiles></container>',
            "book.opf": f'<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>{title}</dc:title>'
            f"</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"c{i}.xhtml": f"<html><body>{chapter}</body></html>" for i, chapter in enumerate(chapters)},
        }
    )


def open_document(kind: str, body: str, styles: str = "") -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style")
    )
    members = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>",
    }
    if styles:
        members["styles.xml"] = f"<office:document-styles {spaces}>{styles}</office:document-styles>"
    return zipped(dict(members))


def ole(streams: dict[str, bytes]) -> bytes:
    """An OLE container; streams by path, with `/` between storages."""
    entries: list[tuple[str, bytes | None]] = [("Root Entry", None)]
    places: dict[str, int] = {"": 0}
    for path, content in streams.items():
        folder, _, _ = path.rpartition("/")
        for part, body in ((folder, None), (path, content)):
            if part not in places:
                places[part] = len(entries)
                entries.append((part.rpartition("/")[2], body))
    kids: dict[str, list[int]] = {}
    for path, place in places.items():
        if path:
            kids.setdefault(path.rpartition("/")[0], []).append(place)
    sibling = {first: second for places_ in kids.values() for first, second in itertools.pairwise(places_)}
    child = {places[path]: places_[0] for path, places_ in kids.items()}
    end = 0xFFFFFFFE
    small_table: list[int] = []  # streams of less than 4,096 bytes are parts of one, in pieces of 64 bytes
    small, directory = b"", b""
    starts = []
    for _, body in entries:
        starts.append(len(small_table) if body else end)
        pieces = -(-len(body or b"") // 64)
        small_table += [*range(len(small_table) + 1, len(small_table) + pieces), end] if pieces else []
        small += (body or b"").ljust(64 * pieces, b"\0")
    num_directory, num_small = -(-len(entries) * 128 // 512), -(-len(small) // 512)
    first_small = num_directory + 2
    table = [0xFFFFFFFD, *range(2, num_directory + 1), end, end, *range(first_small + 1, first_small + num_small), end]
    for place, (name, body) in enumerate(entries):
        encoded = name.encode("utf-16-le")
        kind = 5 if place == 0 else 1 if body is None else 2
        tree = 0xFFFFFFFF, sibling.get(place, 0xFFFFFFFF), child.get(place, 0xFFFFFFFF)
        directory += encoded.ljust(64, b"\0") + struct.pack("<HBB3I", len(encoded) + 2, kind, 1, *tree) + bytes(36)
        directory += struct.pack(
            "<IQ", *((first_small, len(small)) if place == 0 else (starts[place], len(body or b"")))
        )
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<10I", 0, 1, 1, 0, 4096, num_directory + 1, 1, end, 0, 0) + b"\xff" * 432
    sectors = [struct.pack(f"<{len(each)}I", *each).ljust(512, b"\xff") for each in (table, small_table)]
    assert all(len(sector) == 512 for sector in sectors)
    return (
        header
        + sectors[0]
        + directory.ljust(512 * num_directory, b"\0")
        + sectors[1]
        + small.ljust(512 * num_small, b"\0")
    )


def msg(texts: dict[str, str], attachments: Sequence[str] = ()) -> bytes:
    """An e-mail that Outlook saved: texts by the number of their property, and names of attachments."""
    streams = {"__properties_version1.0": bytes(32)}
    streams |= {f"__substg1.0_{number}001F": value.encode("utf-16-le") for number, value in texts.items()}
    for index, name in enumerate(attachments):
        streams[f"__attach_version1.0_#{index:08X}/__substg1.0_3707001F"] = name.encode("utf-16-le")
    return ole(streams)
