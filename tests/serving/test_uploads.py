"""Uploads that are damaged, hostile or too large."""

import io
import zipfile
import zlib
from collections.abc import Iterator

import httpx2
import pytest
from contexts.formats.builders import xlsx
from serving.documents.test_parsing import docx, entity_bomb, pdf
from serving.running import RunningServer, http_client

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
MEGABYTE = 1 << 20
OUTSIDE_ENTITY = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def bad_docx() -> bytes:
    """A small archive that would unpack to 300 MB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(300):
                part.write(bytes(MEGABYTE))
    return content.getvalue()


def hostile_xlsx(rows: str, *, doctype: str = "", num_repeats: int = 1) -> bytes:
    """A workbook whose sheet has this XML as its rows, repeated without holding all of it in memory."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx({"Prices": [["mill", 9]]}))) as honest,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in honest.namelist():
            if name != "xl/worksheets/sheet1.xml":
                archive.writestr(name, honest.read(name))
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(f'{doctype}<worksheet xmlns="{SHEET}"><sheetData>'.encode())
            for _ in range(num_repeats):
                part.write(rows.encode())
            part.write(b"</sheetData></worksheet>")
    return content.getvalue()


def cell(text: str, place: str = "A1") -> str:
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def bad_pdf() -> bytes:
    """A small PDF with a stream that would unpack to 300 MB."""
    packer = zlib.compressobj(1)
    stream = b"".join([*(packer.compress(b" " * MEGABYTE) for _ in range(300)), packer.flush()])
    return pdf(num_pages=1, content=stream, content_filter=b" /Filter /FlateDecode")


@pytest.mark.parametrize(
    "name, content, status, message",
    [
        ("bomb.docx", bad_docx, 413, "when unpacked"),
        ("bomb.xlsx", lambda: hostile_xlsx(" " * MEGABYTE, num_repeats=300), 413, "when unpacked"),
        ("entities.xlsx", lambda: hostile_xlsx(cell("&e9;"), doctype=entity_bomb()), 400, "damaged"),
        ("outside.xlsx", lambda: hostile_xlsx(cell("&e;"), doctype=OUTSIDE_ENTITY), 400, "damaged"),
        ("bomb.pdf", bad_pdf, 400, "bytes of memory"),
        ("entities.docx", lambda: docx("&e9;", doctype=entity_bomb()), 400, "damaged"),
        ("broken.pdf", lambda: b"%PDF-1.7\nnothing of the kind", 400, "damaged PDF"),
        ("pages.pdf", lambda: pdf(num_pages=3), 413, "more than 2 pages"),
        ("long.txt", lambda: b"word " * 4000, 413, "the limit is 3,000"),
    ],
)
def test_bad_uploads_are_refused_with_a_reason(
    server: RunningServer, name: str, content, status: int, message: str
) -> None:
    with http_client(server) as client:
        before = client.get("/v1/adapters").json()
        response = client.post("/v1/adapters", files={"file": (name, content())})
        assert response.status_code == status, response.text
        assert message in response.json()["error"]["message"]
        assert client.get("/v1/adapters").json() == before
        assert client.get("/health").status_code == 200


def test_large_requests_are_refused(server: RunningServer) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(8):
            yield b"x" * MEGABYTE

    with http_client(server) as client:
        kind = {"Content-Type": "application/json"}
        for content in (b"x" * (6 * MEGABYTE), endless()):
            try:
                response = client.post("/v1/adapters", content=content, headers=kind)
            except httpx2.TransportError:
                continue  # the server may close the connection while the client is sending
            assert response.status_code == 413
            assert "5,242,880 bytes" in response.json()["error"]["message"]
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("place", ["XFD1", "A1048576", "XFD1048576"])
def test_a_workbook_of_one_far_cell_is_read_or_refused_fast(server: RunningServer, place: str) -> None:
    content = hostile_xlsx(cell("The mill opens at nine.", place))
    with http_client(server) as client:
        response = client.post("/v1/adapters", files={"file": ("far.xlsx", content)})
        assert response.status_code in (201, 400, 413), response.text
        assert client.get("/health").status_code == 200
