"""Export in parts and the choice of a part, through the command line."""

import json
import shutil
from pathlib import Path

import pytest
from adapters.random_adapters import random_adapter
from tiny import TOWER_TEXT, tiny_base
from typer.testing import CliRunner

from lorify import Lorify, load_router
from lorify.answering.parts.records import read_parts
from lorify.cli import app
from lorify.errors import LorifyError
from lorify.hypernets.relevance import Relevance, save_relevance


def run(*args: object) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def parts_dir(tmp_path: Path, base_dir: Path, hypernetwork_dir: Path) -> Path:
    (tmp_path / "tower.txt").write_text(TOWER_TEXT)
    routed_dir = Path(shutil.copytree(hypernetwork_dir, tmp_path / "hypernetwork"))
    save_relevance(routed_dir, Relevance(threshold=0.5, unseen_weight=1.0, weights={}))
    options = ["--base", base_dir, "--hypernetwork", routed_dir]
    run("internalize", tmp_path / "tower.txt", "-o", tmp_path / "adapter", *options)
    printed = run("adapter", "export", tmp_path / "adapter", "-o", tmp_path / "parts", "--parts", *options)
    assert printed == f"{tmp_path / 'parts'}\n"
    return tmp_path / "parts"


def test_a_question_is_routed_to_a_part_or_to_the_base(parts_dir: Path) -> None:
    part = read_parts(parts_dir)[0]
    assert part.document == "tower.txt" and part.text in TOWER_TEXT
    unrelated = "Qqq zzz xxx?"
    assert run("adapter", "route", parts_dir, part.text, unrelated) == f"{parts_dir / part.adapter}\n\n"
    shown = json.loads(run("adapter", "route", parts_dir, part.text, unrelated, "--json"))
    path = str(parts_dir / part.adapter)
    assert shown == [{"question": part.text, "path": path, **part.model_dump()}, {"question": unrelated, "path": None}]


def test_a_folder_without_parts_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["adapter", "route", str(tmp_path), "Who?"])
    assert result.exit_code == 2 and "is not an export in parts" in result.stderr


def test_without_an_associative_hypernetwork_there_are_no_parts(tmp_path: Path) -> None:
    model = Lorify(tiny_base(), None)
    with pytest.raises(LorifyError):
        model.export_parts(random_adapter(model.base), tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_a_router_is_loaded_without_a_base(parts_dir: Path) -> None:
    part = read_parts(parts_dir)[0]
    assert load_router(parts_dir).choose(part.text) == part
