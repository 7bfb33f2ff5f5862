"""Every command of the miniature path runs on a tiny base, and its table has the paper's rows."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from serving.tiny_lorify import save_tiny_task_hypernetwork
from tiny import tiny_model, tiny_tokenizer
from training.small_perceiver import write_self_generated
from typer.testing import CliRunner

from lorify.base.loading import load_base
from lorify.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reproduce(monkeypatch) -> ModuleType:
    """The script, as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "reproduce"))
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("reproduce_doc_to_lora", ROOT / "reproduce" / "doc_to_lora.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def base_dir(tmp_path) -> Path:
    """A tiny base whose window holds the published prompts, which it reads byte by byte."""
    model = tiny_model()
    model.config.max_position_embeddings = 16_384
    model.save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.slow
def test_the_whole_path_runs_and_its_table_has_the_rows_of_the_paper(reproduce, base_dir, tmp_path):
    output = tmp_path / "run"
    settings = (
        "optimization.steps=1", "evaluate_every=1", "evaluation_batches=1", "data.batch_context_tokens=4000",
        "data.batch_question_tokens=4000", "data.max_question_tokens=4000", "hypernetwork.latent_size=16",
        "hypernetwork.num_latents=4", "hypernetwork.num_blocks=1", "optimization.bf16=false",
    )  # fmt: skip
    tasks = save_tiny_task_hypernetwork(tmp_path / "tasks", load_base(str(base_dir)))
    scale = reproduce.Scale(
        base=str(base_dir), contexts=2, questions=1, epochs=1, answer_tokens=2, max_tokens=2, lengths=(64,),
        settings=settings, task_hypernetwork=str(tasks),
    )  # fmt: skip
    reproduce.write_miniature(output / "sets", num_train=2, num_test=1, num_questions=1)
    reproduce.write_eyes(output / "sets", str(base_dir))
    write_answers(output, base_dir)
    for command in reproduce.commands(output, scale):
        if command[0] == "generate-data":  # a base of random weights ends no answer within 256 tokens
            continue
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"
    table = (output / "table.md").read_text()
    methods = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    for wanted in (
        "none", "icl", "cd_d2l:train_on=test_questions", "cd_d2l:writer=base", "t2l:describe=document",
        "adapter:chunk_tokens=8192", "adapter:chunk_tokens=8192:iterative=true", "main-no-qa/last", "main-rank-16/last",
        "main-next-token/last", "main-eyes/last", "rounds=2", "rounds=3",
    ):  # fmt: skip
        assert any(wanted in method for method in methods), f"{wanted} in {methods}"
    for column in (
        "squad",
        "drop",
        "ropes",
        "2wikimqa_e",
        "question internalized",
        "assistant",
        "novel",
        "niah 64",
        "images",
    ):
        assert column in table.splitlines()[0]


def write_answers(output: Path, base_dir: Path) -> None:
    """Sets of short answers, in place of those that `lorify generate-data` would write."""
    base = load_base(str(base_dir))
    for name in ("fineweb-edu", "squad"):
        write_self_generated(output / "data" / name, base)
