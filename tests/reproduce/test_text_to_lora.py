"""Every command of the miniature path runs on a tiny base, and its tables have the paper's rows."""

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tiny import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from lorify.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reproduce(monkeypatch) -> ModuleType:
    """The script, as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "reproduce"))
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("reproduce_text_to_lora", ROOT / "reproduce" / "text_to_lora.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def base_dir(tmp_path) -> Path:
    """A tiny base whose window holds the published examples, which it reads byte by byte."""
    model = tiny_model()
    model.config.max_position_embeddings = 16_384
    model.save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def rows(path: Path) -> dict[str, dict[str, str]]:
    return {row["method"]: row for row in csv.DictReader(path.read_text().splitlines())}


def short(table: dict[str, dict[str, str]], output: Path) -> set[str]:
    """Names of the rows, without the folder of the path and the folders in runs."""
    return {name.replace(f"{output}/", "").replace("/best", "") for name in table}


@pytest.mark.slow
def test_the_whole_path_runs_and_its_tables_have_the_rows_of_the_paper(reproduce, base_dir, tmp_path):
    output = tmp_path / "run"
    scale = reproduce.Scale(base=str(base_dir), embedder="base", steps=2, max_tokens=2)
    reproduce.write_miniature_tasks(output / "sets")
    for command in reproduce.commands(output, scale):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (command, done.output)
    tables = {path.parent.name: rows(path) for path in output.glob("eval/*/benchmarks.csv")}
    assert len(tables["zero-shot"]["none"]) == 1 + 10 + 1
    assert short(tables["zero-shot"], output) == {
        "none", "description", "three_shot", "average:path=library-479", "multi_task:path=multi-task",
        "hyperdecoders:hypernetwork=hyperdecoders", "adapter:hypernetwork=sft-S", "adapter:hypernetwork=sft-M",
        "adapter",
    }  # fmt: skip
    assert short(tables["reconstruction"], output) == {
        "none", "oracle:path=library-9", *(f"adapter:hypernetwork={kind}-{size}" for size in "LMS"
                                           for kind in ("reconstruction-9", "one-hot")),
    }  # fmt: skip
    assert {"three_shot", "description:examples=true", "adapter:examples=true"} < set(tables["with-examples"])
    of_descriptions = {name.partition(":")[0] for name in tables["descriptions"]}
    assert of_descriptions == {"restored", "adapter", "mismatched", "random"}
    assert len(tables["variants"]) == 5 and (output / "eval" / "tasks-rebuilt" / "report.md").is_file()
    assert (output / "sft-L" / "watch.json").is_file()
