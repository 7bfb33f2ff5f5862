from pathlib import Path

import pytest
from PIL import Image
from tiny import TOWER_TEXT
from tiny_lorify import tiny_lorify
from typer.testing import CliRunner

from lorify.adapters.storage import load_adapter
from lorify.cli import app
from lorify.commands.document_names import path_names
from lorify.commands.options import read_contexts
from lorify.contexts.documents import document_from_text
from lorify.errors import ContextError


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of two files of one name, which is the current one."""
    for region in ("eu", "us"):
        (tmp_path / region).mkdir()
        (tmp_path / region / "policy.md").write_text(f"{TOWER_TEXT} It stands in the {region}.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: object) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result.stdout


def names_in(folder: str) -> list[str]:
    return [document.name for document in load_adapter(Path(folder)).provenance.documents]


def test_documents_of_one_name_are_kept_apart_by_their_paths(policies, base_dir, hypernetwork_dir):
    model = ["--base", base_dir, "--hypernetwork", hypernetwork_dir]
    run("internalize", "eu/policy.md", "us/policy.md", "-o", "both", *model)
    assert names_in("both") == ["eu/policy.md", "us/policy.md"]

    Path("notes.md").write_text("The mill opens at nine.")
    run("internalize", "notes.md", "-o", "grown", *model)
    run("adapter", "add", "grown", "eu/policy.md", "us/policy.md", *model)
    assert names_in("grown") == ["notes.md", "eu/policy.md", "us/policy.md"]

    before = load_adapter(Path("grown")).provenance.documents
    Path("us/policy.md").write_text("The us has another policy now.")
    run("adapter", "add", "grown", "us/policy.md", *model)
    changed = load_adapter(Path("grown")).provenance.documents
    assert sorted(names_in("grown")) == ["eu/policy.md", "notes.md", "us/policy.md"], "one that is there is replaced"
    assert len({*before} - {*changed}) == 1


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["a.md", "b.md"], ["a.md", "b.md"]),
        (["eu/policy.md", "us/policy.md", "x.md"], ["eu/policy.md", "us/policy.md", "x.md"]),
        (["/v/eu/a/p.md", "/v/us/a/p.md", "/v/us/b/p.md"], ["eu/a/p.md", "us/a/p.md", "b/p.md"]),
        (["/p.md", "/a/p.md"], ["/p.md", "a/p.md"]),
        (["-", "a.md"], ["-", "a.md"]),
    ],
)
def test_a_name_is_the_shortest_end_of_a_path_that_no_other_has(sources, expected):
    names = path_names(sources)
    assert [names.get(i, Path(source).name) for i, source in enumerate(sources)] == expected


def test_a_file_that_is_given_twice_is_refused(policies):
    Path("link.md").symlink_to("eu/policy.md")
    for sources, shown in (
        (["eu/policy.md", "us/../eu/policy.md"], "us/../eu/policy.md"),
        (["eu/policy.md", "link.md"], "link.md"),
    ):
        with pytest.raises(ContextError, match=rf"^document {shown} is given twice; give it once$"):
            read_contexts(sources)
    with pytest.raises(ContextError, match=r"^standard input is given twice; give it once$"):
        read_contexts(["-", "-"])


def test_python_refuses_two_documents_of_one_name():
    model = tiny_lorify()
    documents = [document_from_text(text, "policy.md") for text in ("The mill opens at nine.", "It closes at ten.")]
    adapter = model.internalize(document_from_text("The owner is Ada.", "notes.md"))
    for use in (model.internalize, lambda *sources: model.add(adapter, *sources)):
        with pytest.raises(ContextError, match=r"^two documents are named 'policy.md'; give each its own name$"):
            use(*documents)
    with pytest.raises(ContextError, match=r"^two documents are named 'image'; give each its own name$"):
        model.internalize(Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "red"))
