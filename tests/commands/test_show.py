import json

from bad_input_helpers import run
from contexts.formats.builders import docx, paragraph


def test_the_text_that_would_be_internalized_is_printed(tmp_path):
    (tmp_path / "a.docx").write_bytes(docx(paragraph("The pool opens at six.")))
    assert run("show", tmp_path / "a.docx").stdout == "The pool opens at six.\n"
    assert run("show", "-", stdin=b"<html><body><h1>Osby</h1></body></html>").stdout == "# Osby\n"


def test_several_documents_are_headed_by_their_names(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"text {name}")
    result = run("show", tmp_path / "a.txt", tmp_path / "b.txt")
    assert result.stdout == "==> a.txt <==\ntext a\n\n==> b.txt <==\ntext b\n"
    shown = json.loads(run("show", tmp_path / "a.txt", tmp_path / "b.txt", "--json").stdout)
    assert [(each["name"], each["text"]) for each in shown] == [("a.txt", "text a"), ("b.txt", "text b")]


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    result = run("show", tmp_path / "a.bin")
    assert result.exit_code == 2 and "a.bin is binary" in result.stderr
