from pathlib import Path

import pytest
from tiny_lorify import tiny_lorify
from typer.testing import CliRunner

from lorify.cli import app
from lorify.commands.options import internalize_documents
from lorify.contexts.documents import document_from_text
from lorify.shipped import SHIPPED_HYPERNETWORKS

DOUBTFUL = {
    "cyrillic": ("Музей открыт каждый день, кроме понедельника, с девяти до пяти вечера. " * 3, "other than Latin"),
    "repetitions": ("The mill opens at nine. " * 500, "over and over"),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_doubtful_document_is_internalized_with_a_note(case, monkeypatch, capsys):
    model = tiny_lorify()
    text, expected = DOUBTFUL[case]
    document = document_from_text(text, "page.txt")
    assert internalize_documents(model, [document]).provenance.documents[0].digest == document.digest
    assert "note:" not in capsys.readouterr().err, "a hypernetwork of one's own may have been trained on such documents"
    monkeypatch.setitem(SHIPPED_HYPERNETWORKS, model.base.name, Path("shipped"))
    adapter = internalize_documents(model, [document])
    written = " ".join(capsys.readouterr().err.split())
    assert "note: document page.txt" in written and expected in written
    assert adapter.provenance.documents[0].num_tokens > 0


@pytest.mark.parametrize(
    "command",
    [
        ("internalize", "page.txt", "-o", "page", "--refine", "1e9"),
        ("internalize", "page.txt", "-o", "page", "--study", "1e9"),
        ("specialize", "Do it.", "-o", "task", "--refine", "1e9"),
        ("ask", "page.txt", "-q", "Why?", "--max-tokens", "99999999999"),
        ("--threads", "100000000", "models"),
    ],
)
def test_numbers_that_no_machine_can_do_are_refused(command):
    result = CliRunner().invoke(app, command)
    option = next(argument for argument in command if argument in ("--refine", "--study", "--max-tokens", "--threads"))
    assert result.exit_code == 2 and option in result.output
