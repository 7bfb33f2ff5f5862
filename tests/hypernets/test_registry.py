import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypernets.toy_kinds import TOY_DOCUMENTS, TOY_TASKS, ToyNetwork, toy_config
from tiny import tiny_model, tiny_tokenizer
from typer.testing import CliRunner

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.document_statistics import DocumentStatistics
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.errors import HypernetworkError
from lorify.hypernets import registry
from lorify.hypernets.checkpoint import hypernetwork_digest


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "KINDS", registry.KINDS.copy())
    registry.register(TOY_DOCUMENTS)
    registry.register(TOY_TASKS)


@pytest.fixture
def base_dir(tmp_path: Path) -> Path:
    tiny_model().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def documents_dir(tmp_path: Path, base_dir: Path) -> Path:
    return saved_toy(TOY_DOCUMENTS, base_dir, tmp_path / "documents")


@pytest.fixture
def tasks_dir(tmp_path: Path, base_dir: Path) -> Path:
    return saved_toy(TOY_TASKS, base_dir, tmp_path / "tasks")


def saved_toy(kind: registry.AnyKind, base_dir: Path, folder: Path) -> Path:
    config = toy_config(load_base(str(base_dir)), kind.name)
    kind.save(folder, config, ToyNetwork(config))
    return folder


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_a_registered_document_hypernetwork_answers_on_the_command_line(base_dir, documents_dir, tmp_path):
    (tmp_path / "tower.txt").write_text("The tower was begun in 1204.")
    arguments = [tmp_path / "tower.txt", "--base", base_dir, "--hypernetwork", documents_dir]
    answers = json.loads(run("ask", *arguments, "-q", "When was the tower begun?", "--json"))
    assert "When was the tower begun?" in json.dumps(answers)
    run("internalize", *arguments, "-o", tmp_path / "adapter")
    provenance = load_adapter(tmp_path / "adapter").provenance
    assert provenance.hypernetwork_digest == hypernetwork_digest(documents_dir)
    assert [document.name for document in provenance.documents] == ["tower.txt"]


def test_a_method_that_a_hypernetwork_cannot_do_is_refused(base_dir, documents_dir):
    arguments = ["facts:documents=1", "-m", "outer", "--untimed", "--base", base_dir, "--hypernetwork", documents_dir]
    assert "method outer needs a hypernetwork that solves for its adapters" in run("eval", *arguments, code=2)


def test_what_a_registered_kind_keeps_of_documents_is_shown(monkeypatch, tmp_path):
    keeping = replace(TOY_DOCUMENTS, kept_of=lambda statistics: "index" if "toy" in statistics.tensors else "none")
    monkeypatch.setitem(registry.KINDS, keeping.name, keeping)
    pair = LoraPair(torch.ones(1, 4), torch.ones(4, 1))
    records = tuple(DocumentRecord(name=name, digest="d", num_tokens=1) for name in ("kept", "forgotten"))
    provenance = Provenance(base_name="b", base_digest="d", hypernetwork="toy", documents=records, lorify_version="0")
    statistics = tuple(DocumentStatistics({name: torch.ones(1)}) for name in ("toy", "other"))
    save_adapter(Adapter({(0, "q_proj"): pair}, 1.0, provenance, statistics), tmp_path / "adapter")
    told = json.loads(run("adapter", "show", tmp_path / "adapter", "--json"))
    assert {document["name"]: document["keeps"] for document in told["documents"]} == {
        "kept": "index",
        "forgotten": "none",
    }


def test_a_registered_task_hypernetwork_specializes_on_the_command_line(base_dir, tasks_dir, tmp_path):
    run("specialize", "Say no.", "-o", tmp_path / "no", "--base", base_dir, "--task-hypernetwork", tasks_dir)
    provenance = load_adapter(tmp_path / "no").provenance
    assert provenance.hypernetwork_digest == hypernetwork_digest(tasks_dir)
    assert [document.name for document in provenance.documents] == ["task: Say no."]


def test_a_registered_task_hypernetwork_is_averaged(base_dir, tasks_dir, tmp_path):
    other_dir = saved_toy(TOY_TASKS, base_dir, tmp_path / "other")
    run("average", tasks_dir, other_dir, "-o", tmp_path / "mean")
    one, other, mean = (TOY_TASKS.load(folder)[1].A for folder in (tasks_dir, other_dir, tmp_path / "mean"))
    torch.testing.assert_close(mean, (one + other) / 2)


def test_each_kind_is_sent_to_its_own_option(base_dir, documents_dir, tasks_dir, tmp_path):
    (tmp_path / "tower.txt").write_text("The tower was begun in 1204.")
    asked = run("ask", tmp_path / "tower.txt", "--base", base_dir, "--hypernetwork", tasks_dir, "-q", "When?", code=2)
    assert "give it with --task-hypernetwork" in asked
    command = ["specialize", "Say no.", "-o", tmp_path / "no", "--base", base_dir]
    assert "give it with --hypernetwork" in run(*command, "--task-hypernetwork", documents_dir, code=2)


@pytest.mark.parametrize("kind", ["surprise", None, 5])
def test_an_unknown_kind_is_refused_with_the_known_ones(documents_dir, kind):
    config = json.loads((documents_dir / "config.json").read_text())
    (documents_dir / "config.json").write_text(json.dumps(config | {"kind": kind}))
    known = "known kinds: associative, perceiver, task, system_message, toy_documents, toy_tasks"
    with pytest.raises(HypernetworkError, match=re.escape(f"unknown kind of hypernetwork {kind!r}; {known}")):
        registry.load_hypernetwork(documents_dir)


def test_every_kind_of_the_table_loads_and_reads_documents_or_descriptions():
    for kind in registry.all_kinds():
        assert (kind.load_internalizer is None) != (kind.load_specializer is None)
        assert registry.find_kind(kind.name) is kind


def test_a_taken_name_or_a_kind_that_reads_nothing_is_not_registered():
    with pytest.raises(HypernetworkError, match="there is already a kind of hypernetwork 'toy_tasks'"):
        registry.register(TOY_TASKS)
    with pytest.raises(HypernetworkError, match="needs either load_internalizer"):
        registry.register(replace(TOY_TASKS, name="nothing", load_specializer=None))
