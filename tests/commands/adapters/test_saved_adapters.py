"""Adapter folders that commands replace, change and show."""

import json
from pathlib import Path

import pytest
from tiny import TOWER_TEXT
from typer.testing import CliRunner, Result

from lorify.adapters.storage import RECORD_NAME, load_adapter
from lorify.cli import app
from lorify.commands.adapters import adapter as adapter_command


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def model_options(base_dir: Path, hypernetwork_dir: Path) -> list[object]:
    return ["--base", base_dir, "--hypernetwork", hypernetwork_dir]


@pytest.fixture
def folder(tmp_path: Path, model_options: list[object]) -> Path:
    """The folder of an adapter of tower.txt, with more documents beside it."""
    (tmp_path / "tower.txt").write_text(TOWER_TEXT)
    for name in ("bridge.md", "mill.md"):
        (tmp_path / name).write_text(f"The {name} opened in 1950.")
    first = run("internalize", tmp_path / "tower.txt", "-o", tmp_path / "adapter", *model_options)
    assert first.exit_code == 0 and "replaced" not in first.stderr
    return tmp_path / "adapter"


def test_a_replaced_adapter_is_named(folder, model_options):
    again = run("internalize", folder.parent / "bridge.md", folder.parent / "mill.md", "-o", folder, *model_options)
    assert f"note: replaced the adapter of tower.txt in {folder}" in again.stderr
    assert again.stdout == f"{folder}\n"
    more = run("internalize", folder.parent / "mill.md", "-o", folder, *model_options)
    assert f"note: replaced the adapter of 2 documents in {folder}" in more.stderr
    (folder / RECORD_NAME).write_text("{}")
    repaired = run("internalize", folder.parent / "mill.md", "-o", folder, *model_options)
    assert repaired.exit_code == 0 and f"note: replaced the adapter in {folder}" in repaired.stderr


@pytest.mark.parametrize("change", [("add", "mill.md"), ("remove", "tower.txt")])
def test_a_change_that_another_command_made_in_the_meantime_is_kept(folder, model_options, monkeypatch, change):
    assert run("adapter", "add", folder, folder.parent / "bridge.md", *model_options).exit_code == 0
    load_model = adapter_command.load_model

    def load_after_another_command(*args, **options):
        monkeypatch.setattr(adapter_command, "load_model", load_model)
        (folder.parent / "other.md").write_text("The other one is in between.")
        assert run("adapter", "add", folder, folder.parent / "other.md", *model_options).exit_code == 0
        return load_model(*args, **options)

    monkeypatch.setattr(adapter_command, "load_model", load_after_another_command)
    verb, document = change
    monkeypatch.chdir(folder.parent)
    late = run("adapter", verb, folder, document, *model_options)
    assert late.exit_code == 2
    assert late.stderr.splitlines()[-1] == (
        f"error: adapter {folder} was changed by another command in the meantime; run this one again"
    )
    names = [record.name for record in load_adapter(folder).provenance.documents]
    assert names == ["tower.txt", "bridge.md", "other.md"]
    assert run("adapter", verb, folder, document, *model_options).exit_code == 0


def test_show_has_the_size_of_the_files_and_nothing_that_does_not_apply(folder):
    size = sum(path.stat().st_size for path in folder.iterdir())
    shown = run("adapter", "show", folder).stdout
    assert f"{size:,} bytes\n" in shown
    assert "None" not in shown and "num bytes" not in shown and "published chat" not in shown
    assert json.loads(run("adapter", "show", folder, "--json").stdout)["file_bytes"] == size


@pytest.mark.parametrize("command", ["export", "merge"])
def test_an_adapter_is_not_exported_over_itself(folder, model_options, command):
    result = run("adapter", command, folder, "-o", folder, *model_options)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: output {folder} is an adapter of lorify, which is not replaced; give another path with -o\n"
    )
