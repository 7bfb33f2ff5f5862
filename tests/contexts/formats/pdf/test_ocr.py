"""Scanned pages: read with tesseract where it is installed, and refused with advice where it is not."""

import io
import shutil
from pathlib import Path

import pypdfium2
import pytest
from contexts.formats.builders import zipped
from contexts.formats.pdf_pages import cells, grid, pdf, text

from lorify.contexts.documents import document_from_bytes, read_document
from lorify.errors import ContextError

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
LINES = ["The bath master is Oona Tervo.", "The northern pier is 640 metres long."]
PAGE = b"".join(text(72, 700 - 30 * number, words, 16) for number, words in enumerate(LINES))


def scan(page: bytes, angle: int = 0) -> bytes:
    """A PDF whose page is a picture of another."""
    document = pypdfium2.PdfDocument(pdf(page))
    picture = document[0].render(scale=3, grayscale=True).to_pil().rotate(angle, expand=True)
    document.close()
    buffer = io.BytesIO()
    picture.save(buffer, "PDF", resolution=216)
    return buffer.getvalue()


def read(data: bytes, name: str = "a.pdf") -> str:
    return document_from_bytes(data, name, name[name.rindex(".") :], 1 << 26, ocr=True).text


@needs_tesseract
@pytest.mark.parametrize("angle", [0, 90])
def test_a_scan_is_read_and_said_to_be(angle):
    many = PAGE + b"".join(text(72, 600 - 20 * n, f"Rule {n}: no running beside the pool.", 16) for n in range(6))
    found = read(scan(many, angle))
    assert found.startswith("[page 1 was read by OCR]")
    assert "Oona Tervo" in found and "640 metres" in found


@needs_tesseract
def test_a_scanned_table_has_its_rows():
    rows = [["Item", "Colour", "Price"], ["Bench", "blue", "120"], ["Table", "green", "340"], ["Lamp", "white", "55"]]
    table = b"".join(
        text(x, y, c, 14)
        for y, row in zip([685, 655, 625, 595], rows, strict=True)
        for x, c in zip([72, 230, 390], row, strict=True)
    )
    assert "| Table | green | 340 |" in read(scan(table))


@needs_tesseract
def test_a_font_without_letters_is_read_by_ocr():
    data = (Path(__file__).parents[3] / "data" / "files" / "unmapped-font.pdf").read_bytes()
    assert read(data).startswith("[page 1 was read by OCR]")


@needs_tesseract
def test_a_scan_is_read_from_a_file_and_within_an_archive(tmp_path):
    path = tmp_path / "scan.pdf"
    path.write_bytes(scan(PAGE))
    assert "Oona Tervo" in read_document(path).text
    assert "Oona Tervo" in read(zipped({"scan.pdf": scan(PAGE)}), "all.zip")


@needs_tesseract
def test_a_picture_without_letters_is_refused():
    with pytest.raises(ContextError, match=r"without a text layer \(a scan\); run it through OCR first"):
        read(scan(b"0.5 g 100 100 400 500 re f\n"))


def test_without_tesseract_the_refusal_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ContextError, match=r"a scan\); install tesseract, or run it through OCR first"):
        read(scan(PAGE))


def test_no_program_is_started_where_that_is_not_allowed(monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(ContextError, match=r"a scan\); run it through OCR first"):
        document_from_bytes(scan(PAGE), "a.pdf", ".pdf", 1 << 26)


def test_a_readable_page_is_never_read_by_ocr(monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a program was started"))
    assert read(pdf(PAGE + grid([50, 60], [100, 110]) + cells([52], [102], [["x"]]))).startswith(LINES[0])
