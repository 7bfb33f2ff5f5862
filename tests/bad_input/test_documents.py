"""Bad input through the command line: documents and questions."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from bad_input_helpers import Fail, run, snapshot
from encrypted_pdf import encrypted_pdf
from tiny import TOWER_TEXT

from lorify.contexts.documents import MAX_BYTES


def zipped(name: str, num_bytes: int) -> bytes:
    """A zip file with one member of spaces."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        block = b" " * (1 << 20)
        for _ in range(num_bytes // len(block)):
            member.write(block)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.pdf", None, "does not exist; check the path"),
        ("empty.txt", b"", "is empty; give one with text"),
        ("blank.md", b" \n\t\n", "is empty; give one with text"),
        ("empty.pdf", b"", "is empty; give one with text"),
        ("noise.txt", bytes(range(256)) * 20, "is binary, not text; give txt"),
        ("noise.bin", bytes(range(256)) * 20, "give txt, md, html, pdf"),
        ("high.txt", bytes(range(128, 256)) * 20, "save it as UTF-8"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "give"),
        ("secret.pdf", encrypted_pdf(TOWER_TEXT, user_password="sesame"), "is encrypted; remove its password first"),
        ("secret.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "without a password"),
        ("half.pdf", encrypted_pdf(TOWER_TEXT, user_password="")[:200], "damaged PDF"),
        ("half.docx", zipped("word/document.xml", 1 << 20)[:200], "is damaged"),
        ("packed.docx", zipped("word/document.xml", MAX_BYTES + (1 << 20)), "unpacked"),
    ],
)
def test_a_bad_document_is_refused_before_any_model_is_loaded(
    tmp_path: Path, document: Path, fail: Fail, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    command = ["internalize", document, tmp_path / name, "-o", tmp_path / "out", "--base", "never/looked-for"]
    line = fail(*command)
    assert name in line and reason in line


def test_a_password_that_nobody_needs_does_not_matter(tmp_path: Path, model_options: list[object]) -> None:
    (tmp_path / "open.pdf").write_bytes(encrypted_pdf("The tower is 48 metres high.", user_password=""))
    result = run("internalize", tmp_path / "open.pdf", "-o", tmp_path / "out", *model_options)
    assert result.exit_code == 0, result.output


def test_an_enormous_document_is_refused_unread(tmp_path: Path, fail: Fail) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would take forever
    line = fail("ask", tmp_path / "huge.txt", "-q", "Who?")
    assert "huge.txt has 1,099,511,627,776 bytes" in line and f"{MAX_BYTES:,}" in line and "split it" in line


def test_the_largest_document_is_documented() -> None:
    assert f"{MAX_BYTES >> 20} MiB" in " ".join(run("ask", "--help").output.split())


def test_an_endless_file_is_refused(fail: Fail) -> None:
    assert "zero has more than" in fail("ask", "/dev/zero", "-q", "Who?")


def test_a_folder_is_no_document(tmp_path: Path, fail: Fail) -> None:
    line = fail("ask", tmp_path, "-q", "Who?")
    assert f"{tmp_path} is a folder; give files" in line


@pytest.mark.parametrize(
    ("stdin", "reason"),
    [
        (b"", "is empty; give one with text"),
        (b"\n \n", "is empty; give one with text"),
        (bytes(range(256)) * 20, "is binary"),
        (bytes(range(128, 256)) * 20, "save it as UTF-8"),
    ],
)
def test_a_bad_document_on_standard_input(tmp_path: Path, fail: Fail, stdin: bytes, reason: str) -> None:
    line = fail("internalize", "-", "-o", tmp_path / "out", stdin=stdin)
    assert "standard input" in line and reason in line


def test_questions_that_are_no_text(document: Path, fail: Fail) -> None:
    line = fail("ask", document, stdin="Wie heißt der Turm?\n".encode("latin-1"))
    assert "standard input" in line and "UTF-8" in line
    assert "give one with -q" in fail("ask", document, stdin=b"")
    line = fail("ask", document, "-q", os.fsdecode("Wie heißt der Turm?".encode("latin-1")))
    assert "-q" in line and "UTF-8" in line


def test_a_name_that_is_no_text_is_shown_as_well_as_it_can_be(tmp_path: Path, model_options: list[object]) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text(TOWER_TEXT)
    result = run("internalize", path, "-o", tmp_path / "out", "--json", *model_options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["documents"][0]["name"] == "caf\ufffd.txt"


def test_a_bad_document_leaves_an_adapter_as_it_was(
    tmp_path: Path, adapter_dir: Path, document: Path, hypernetwork_dir: Path, fail: Fail
) -> None:
    assert "absent.txt" in fail(
        "adapter", "add", adapter_dir, document, tmp_path / "absent.txt", "--hypernetwork", hypernetwork_dir
    )


def test_missing_document(tmp_path: Path, model_options: list[object], fail: Fail) -> None:
    line = fail("ask", tmp_path / "absent.pdf", "-q", "Who?", *model_options)
    assert "absent.pdf" in line


def test_empty_document(tmp_path: Path, model_options: list[object], fail: Fail) -> None:
    (tmp_path / "empty.txt").write_text("  \n")
    assert "empty.txt" in fail("ask", tmp_path / "empty.txt", "-q", "Who?", *model_options)


def test_binary_document_leaves_no_adapter(tmp_path: Path, model_options: list[object], fail: Fail) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 20)
    before = snapshot(tmp_path)
    assert "noise.bin" in fail("internalize", tmp_path / "noise.bin", "-o", tmp_path / "out", *model_options)
    assert snapshot(tmp_path) == before


def test_folder_as_a_document(tmp_path: Path, model_options: list[object], fail: Fail) -> None:
    assert str(tmp_path) in fail("ask", tmp_path, "-q", "Who?", *model_options)


def test_standard_input_cannot_hold_document_and_questions(fail: Fail) -> None:
    assert "-q" in fail("ask", "-", stdin=TOWER_TEXT.encode())


def test_no_question(document: Path, fail: Fail) -> None:
    assert "-q" in fail("ask", document, stdin=b"")
