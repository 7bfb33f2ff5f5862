import io
import zipfile

import pytest

from lorify.contexts.documents import document_from_text, read_document
from lorify.errors import ContextError

TEXT = "The harbour museum opens at ten."


def pdf(*, text: str | None) -> bytes:
    """A one-page PDF, with a text layer or without."""
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode() if text else b"72 700 100 100 re f"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start


def docx(text: str) -> bytes:
    namespace = "http://schemas.openxmlformats.org"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{namespace}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{namespace}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{namespace}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
        "</Relationships>",
        "word/document.xml": f'<w:document xmlns:w="{namespace}/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>'
        f"{text}</w:t></w:r></w:p></w:body></w:document>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{body}')
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", TEXT.encode()),
        ("a.md", TEXT.encode("utf-16")),
        ("a.txt", b"\xef\xbb\xbf" + TEXT.encode()),
        ("a.html", f"<html><body><p>{TEXT}</p><script>x()</script></body></html>".encode()),
        ("a.pdf", pdf(text=TEXT)),
        ("misnamed.txt", pdf(text=TEXT)),
        ("a.docx", docx(TEXT)),
    ],
)
def test_documents_of_many_kinds_give_their_text(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    document = read_document(tmp_path / name)
    assert document.text == TEXT
    assert document.name == name
    assert document.digest == document_from_text(TEXT).digest


def test_old_encodings_are_recognized(tmp_path):
    text = "Das Museum öffnet täglich um zehn Uhr. Für Schüler ist der Eintritt frei, für Gäste kostet er fünf Euro."
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert read_document(tmp_path / "a.txt").text == text


def test_standard_input_is_a_document(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert read_document("-").text == TEXT


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.md", b" \n\n\t", "is empty"),
        ("a.txt", bytes(range(256)) * 10, "is binary"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, "no readable kind|is binary|is empty"),
        ("a.pdf", pdf(text=TEXT)[:120], "is a damaged PDF"),
        ("scan.pdf", pdf(text=None), "without a text layer"),
        ("a.docx", docx(TEXT)[:200], "is damaged"),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is encrypted or in an old Office format"),
    ],
)
def test_unreadable_documents_are_named_with_the_reason(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ContextError, match=message) as error:
        read_document(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_an_encrypted_pdf_is_refused(tmp_path):
    encryption = (
        b"<< /Size 6 /Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"ab" * 32 + b"> /U <"
        b"" + b"cd" * 32 + b"> >> /ID [<00><00>] >>"
    )
    data = pdf(text=TEXT).replace(b"<< /Size 6 /Root 1 0 R >>", encryption)
    (tmp_path / "a.pdf").write_bytes(data)
    with pytest.raises(ContextError, match=r"a\.pdf is encrypted"):
        read_document(tmp_path / "a.pdf")


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ContextError, match="does not exist"):
        read_document(tmp_path / "nothing.txt")
    with pytest.raises(ContextError, match="is a folder"):
        read_document(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("https://example.com/page.html", "download the page first"),
        ("The mill was founded by Ada in 1892.", "document_from_text"),
        ("Who founded the mill?", "document_from_text"),
        ("The mill opens at nine. " * 300, "document_from_text"),
        ("annual report.pdf", "check the path"),
    ],
)
def test_what_is_no_file_is_refused_with_what_to_give(given, message):
    with pytest.raises(ContextError, match=message) as caught:
        read_document(given)
    assert len(str(caught.value)) < 400


def test_an_enormous_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would take forever
    with pytest.raises(ContextError, match=r"huge\.txt has 1,099,511,627,776 bytes"):
        read_document(tmp_path / "huge.txt")


def test_endless_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"word " * 100)))
    with pytest.raises(ContextError, match="more than 50 bytes"):
        read_document("-", max_bytes=50)
