"""`lorify generate-data` on a tiny random base: shards, and bad input answered in one line."""

import json
from pathlib import Path

import pytest
from data.fake_endpoint import chat_completion, serving
from tiny import tiny_model, tiny_tokenizer
from typer.testing import CliRunner, Result

from lorify.base.loading import load_base
from lorify.cli import app
from lorify.data.self_generated.store import load_self_generated, shard_path
from lorify.errors import EvaluationError

TEXTS = ["The mill opens at nine. Ada keeps bees there.", "The boat leaves at noon.", "The tower is 48 metres high."]


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def texts(tmp_path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def fail(*args: object) -> str:
    """The one line of a refused command."""
    result = run(*args)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ") and result.stdout == ""
    return line


def ask(_path: str, body: dict) -> dict:
    """A writer that asks one thing about what it has not asked about yet."""
    prompt = body["messages"][0]["content"]
    return chat_completion(f"Question 1: What of {'Ada' if 'asked before' in prompt else 'this'}?")


def test_documents_become_shards_that_the_base_can_learn_from(tmp_path, texts, base_dir):
    with serving(ask) as url:
        command = ("generate-data", texts, "-o", tmp_path / "out", "--base", base_dir, "--rounds", 2)
        result = run(*command, "--endpoint", url, "--writer", "some/writer")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'out'}\n"
    examples = load_self_generated(tmp_path / "out", load_base(str(base_dir)).digest)
    assert [example.documents[0] for example in examples] == TEXTS
    assert {tuple(q.text for q in example.questions) for example in examples} == {("What of this?", "What of Ada?")}
    before = shard_path(tmp_path / "out", 0).read_bytes()
    with serving(ask) as url:
        again = run(*command, "--endpoint", url, "--writer", "some/writer")
    assert again.exit_code == 0 and shard_path(tmp_path / "out", 0).read_bytes() == before


def test_a_command_that_broke_goes_on(tmp_path, texts, base_dir):
    command = (
        "generate-data",
        texts,
        "-o",
        tmp_path / "out",
        "--base",
        base_dir,
        "--writer",
        "some/writer",
        "--endpoint",
    )
    line = fail(*command, "http://127.0.0.1:9/v1")
    assert "did not write questions" in line and "run the command again" in line
    with pytest.raises(EvaluationError, match="no complete shard yet"):
        load_self_generated(tmp_path / "out")
    with serving(ask) as url:
        assert run(*command, url).exit_code == 0
    assert len(load_self_generated(tmp_path / "out")) == 3


def test_without_another_writer_the_base_asks(tmp_path, texts, base_dir):
    result = run("generate-data", texts, "-o", tmp_path / "out", "--base", base_dir, "--limit", 1)
    assert result.exit_code == 0, result.output
    assert shard_path(tmp_path / "out", 0).exists()  # what random weights ask may be too long to answer


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([], "no documents given"),
        (["{texts}", "--vllm"], "--vllm needs the name of a model; give it with --writer"),
        (["{texts}", "--vllm", "--endpoint", "http://h/v1", "--writer", "w"], "cannot be given together"),
        (["{texts}", "--teacher", "elsewhere"], "--teacher 'elsewhere' is unknown; give vllm, or a URL"),
        (["{texts}", "--teacher", "vllm"], "need the package vllm"),
        (["{texts}.absent"], "absent"),
        (["--dataset", "fineweb-edu"], "set the number of texts with --limit"),
    ],
)
def test_what_is_missing_is_said(tmp_path, texts, base_dir, options, problem):
    given = [option.replace("{texts}", str(texts)) for option in options]
    assert problem in fail("generate-data", *given, "-o", tmp_path / "out", "--base", base_dir)
    assert not (tmp_path / "out").exists()


def test_the_old_name_still_works_and_names_the_new_one(tmp_path, texts, base_dir):
    result = run("data", texts, "-o", tmp_path / "out", "--base", base_dir, "--limit", 1)
    assert result.exit_code == 0, result.output
    assert "`lorify generate-data`" in result.stderr and result.stdout == f"{tmp_path / 'out'}\n"
    shown = run("--help").stdout
    assert "generate-data" in shown and "augment-descriptions" in shown and "describe " not in shown
