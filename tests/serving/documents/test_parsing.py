"""Parsing uploads: file types, names, and documents that are too large, too slow, damaged or hostile."""

import contextlib
import io
import os
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving.waiting import wait_until

from lorify.contexts.documents import document_from_text
from lorify.errors import ContextError
from lorify.serving.documents.parsing import DocumentParser

MEGABYTE = 1 << 20
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def docx(text: str, *, num_repeats: int = 1, doctype: str = "") -> bytes:
    """A Word document of one paragraph that repeats a text, built without holding all of it in memory."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/word/document.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        )
        package.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships">'
            f'<Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        with package.open("word/document.xml", "w", force_zip64=True) as part:
            part.write(f'{doctype}<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>'.encode())
            for _ in range(num_repeats):
                part.write(text.encode())
            part.write(b"</w:t></w:r></w:p></w:body></w:document>")
    return content.getvalue()


def pdf(
    *, num_pages: int, content: bytes = b"BT /F1 12 Tf 72 700 Td (Mara approves it.) Tj ET", content_filter: bytes = b""
) -> bytes:
    """A PDF with the same text on each page and no table of its objects, so that readers have to search for them."""
    pages = range(5, 5 + num_pages)
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % page for page in pages), num_pages),
        3: b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(content), content_filter, content),
        4: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    objects |= {
        page: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R"
        b" /Resources << /Font << /F1 4 0 R >> >> >>"
        for page in pages
    }
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % item for item in objects.items())
    return b"%PDF-1.4\n" + body + b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


def nested_html(depth: int) -> bytes:
    return b"<html><body>" + b"<div>" * depth + b"deep down" + b"</div>" * depth + b"</body></html>"


def entity_bomb() -> str:
    levels = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    return f'<!DOCTYPE bomb [<!ENTITY e0 "boom">{levels}]>'


LIMITS = {"timeout_seconds": 60, "max_memory_bytes": 256 * MEGABYTE, "max_bytes": 4 * MEGABYTE, "max_pages": 1000}


def new_parser(**limits) -> DocumentParser:
    return DocumentParser(**LIMITS | limits)


@pytest.fixture(scope="module")
def parser():
    with new_parser() as parser:
        yield parser


def worker_pids() -> set[int]:
    """Process ids of this process's parsing workers."""
    pids = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has ended
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"parsing_worker" in (folder / "cmdline").read_bytes():
                pids.add(int(folder.name))
    return pids


def test_documents_are_parsed(parser):
    page = b"<h1>Travel</h1><p>Mara approves it.</p>"
    assert parser.parse(page, "handbook.html") == document_from_text("# Travel\n\nMara approves it.", "handbook.html")
    assert parser.parse(docx("Mara approves it."), "handbook.docx").text == "Mara approves it."


def test_several_documents_are_parsed_at_once(parser):
    with ThreadPoolExecutor(3) as clients:
        documents = clients.map(lambda i: parser.parse(f"<p>page {i}</p>".encode(), f"{i}.html"), range(3))
    assert [(document.name, document.text) for document in documents] == [(f"{i}.html", f"page {i}") for i in range(3)]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Größe: 3 m\r\n".encode(), "Größe: 3 m"),
        ("\ufeffmarked".encode(), "marked"),
        ("Größe".encode("utf-16"), "Größe"),
    ],
)
def test_plain_text_is_decoded_in_its_encoding(parser, data, text):
    assert parser.parse(data, "notes.txt") == document_from_text(text, "notes.txt")


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\notes.txt", "notes.txt"),
        ("two\nlines\x1b[31m.txt", "twolines[31m.txt"),
        ("x" * 10_000 + ".txt", "x" * 196 + ".txt"),
        ("", "document"),
        ("..", ".."),
    ],
)
def test_only_the_last_part_of_a_file_name_is_kept(parser, filename, name):
    assert parser.parse(b"text", filename).name == name


def test_a_zip_bomb_is_refused(parser):
    bomb = docx("a" * MEGABYTE, num_repeats=400)
    assert len(bomb) < 2 * MEGABYTE
    with pytest.raises(ContextError, match=r"[\d,]+ bytes when unpacked, at most 268,435,456 are read; split it"):
        parser.parse(bomb, "bomb.docx")


def test_much_text_in_a_small_file_is_refused(parser):
    with pytest.raises(ContextError, match=r"long\.docx has more than 4,194,304 bytes of text; split it"):
        parser.parse(docx("a" * MEGABYTE, num_repeats=5), "long.docx")


def test_deeply_nested_html_is_parsed_or_refused(parser):
    try:
        assert parser.parse(nested_html(20_000), "nested.html").text == "deep down"
    except ContextError as error:
        assert "\n" not in str(error)


def test_a_document_that_takes_too_long_is_refused():
    with pytest.raises(ContextError, match=r"document nested\.html takes more than 0\.05 s to parse; split it"):
        with new_parser(timeout_seconds=0.05) as hasty:
            hasty.parse(nested_html(100_000), "nested.html")


@pytest.mark.parametrize(
    ("data", "filename", "complaint"),
    [
        (b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer << /Root 1 0 R", "a.pdf", "damaged"),
        (docx("text")[:300], "a.docx", "a.docx"),
        (docx("&e9;", doctype=entity_bomb()), "a.docx", "damaged"),
        (bytes(range(256)) * 10, "a.bin", "binary"),
        (b"\0\1\2", "a.txt", "binary"),
        (b"", "a.html", "empty"),
        (b" \n", "a.txt", "empty"),
    ],
    ids=["broken pdf", "cut docx", "entity bomb", "binary", "binary text", "empty html", "empty text"],
)
def test_unreadable_files_are_refused_in_one_line(parser, data, filename, complaint):
    with pytest.raises(ContextError, match=complaint) as refused:
        parser.parse(data, filename)
    assert filename in str(refused.value) and "\n" not in str(refused.value)


def test_an_upload_of_too_many_bytes_is_refused(parser):
    with pytest.raises(ContextError, match=r"a\.txt has 4,194,305 bytes, the limit is 4,194,304"):
        parser.parse(b"a" * (4 * MEGABYTE + 1), "a.txt")


def test_a_pdf_of_too_many_pages_is_refused():
    with new_parser(max_pages=2) as two_pages:
        assert two_pages.parse(pdf(num_pages=2), "a.pdf").text.count("Mara approves it.") == 2
        with pytest.raises(ContextError, match=r"a\.pdf has more than 2 pages; split it"):
            two_pages.parse(pdf(num_pages=3), "a.pdf")


def test_a_document_cannot_include_files_of_the_server(parser, tmp_path):
    secret_path = tmp_path / "secret"
    secret_path.write_text("the secret")
    doctype = f'<!DOCTYPE leak [<!ENTITY leak SYSTEM "{secret_path.as_uri()}">]>'
    try:
        text = parser.parse(docx("seen: &leak;", doctype=doctype), "leak.docx").text
    except ContextError as error:
        text = str(error)
    assert "the secret" not in text


def test_a_crash_of_the_parser_fails_one_document_only(monkeypatch):
    crash = "import os, sys; print('ready', flush=True); sys.stdin.buffer.readline(); os.abort()"
    with monkeypatch.context() as patch:
        patch.setattr("lorify.serving.documents.parsing.WORKER_COMMAND", (sys.executable, "-c", crash))
        with new_parser() as crashing, pytest.raises(ContextError, match="the parser crashed"):
            crashing.parse(b"<p>text", "a.html")


def test_a_worker_that_does_not_start_is_an_internal_error(monkeypatch):
    monkeypatch.setattr(
        "lorify.serving.documents.parsing.WORKER_COMMAND", (sys.executable, "-c", "import no_such_module")
    )
    with new_parser() as broken, pytest.raises(RuntimeError, match="does not start"):
        broken.parse(b"<p>text", "a.html")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "open('written', 'w').write('x' * 10**6)",
        "b'x' * 10**8",
    ],
)
def test_the_worker_cannot_do_what_parsing_does_not_need(tmp_path, code):
    module = "lorify.serving.documents.parsing_worker"
    setup = f"from {module} import ParsingJob, restrict_process\nrestrict_process(ParsingJob('a', 60, 10**7, 1, 1))\n"
    tried = f"{setup}try:\n    {code}\nexcept (OSError, MemoryError):\n    print('refused')"
    result = subprocess.run([sys.executable, "-c", tried], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == "refused\n"


def test_a_closed_parser_leaves_no_process():
    before = worker_pids()
    parser = new_parser()
    assert len(worker_pids() - before) == 1
    parser.close()
    assert worker_pids() <= before
    assert parser.parse(b"<p>still read", "a.html").text == "still read"
    assert worker_pids() <= before


def test_closing_a_parser_stops_what_it_is_parsing():
    before = worker_pids()
    parser = new_parser()
    with ThreadPoolExecutor(1) as pool:
        parsing = pool.submit(parser.parse, nested_html(300_000), "a.html")
        wait_until(lambda: len(worker_pids() - before) == 2)  # one is busy, the next one has been started
        started = time.monotonic()
        parser.close()
        with pytest.raises((ContextError, RuntimeError)):
            parsing.result()
        assert time.monotonic() - started < 5
