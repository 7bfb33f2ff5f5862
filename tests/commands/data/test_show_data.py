"""`lorify show-data`, and the options of `lorify generate-data` that follow Doc-to-LoRA."""

import json
from pathlib import Path

import pytest
from data.self_generated.published_files import published_row, write_published
from training.small_perceiver import write_self_generated
from typer.testing import CliRunner, Result

from lorify.base.loading import load_base
from lorify.cli import app


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def data(tmp_path, base_dir) -> Path:
    """A set of each layout."""
    base = load_base(str(base_dir))
    row = published_row(base, "Ada keeps bees.", ["Who?"])
    write_published(tmp_path / "data/tiny/squad_compact/train/ds.parquet", [row])
    write_self_generated(tmp_path / "data" / "own", base)
    return tmp_path / "data"


def test_sets_contexts_questions_and_answers_are_shown(data, base_dir):
    shown = json.loads(run("show-data", data, "--base", base_dir, "--limit", 2, "--json").stdout)["sets"]
    assert [len(part["examples"]) for part in shown] == [2, 1]
    (example,) = shown[1]["examples"]
    assert example["context"] == "Ada keeps bees."
    # The stored log-probability of each token is -0.25.
    assert example["questions"][0] | {"question": ""} == {"question": "", "answer": "Ada", "probability": 0.779}
    text = run("show-data", data, "--base", base_dir, "--files", "tiny/**/*.parquet").stdout
    assert "Ada keeps bees." in text and "A: Ada" in text and "Mill" not in text


def test_damaged_data_is_one_line(data, base_dir):
    path = data / "tiny/squad_compact/train/ds.parquet"
    path.write_bytes(path.read_bytes()[:100])
    result = run("show-data", data, "--base", base_dir)
    assert result.exit_code == 2 and "ds.parquet is damaged" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_parts_with_the_published_prompts_fill_a_folder(tmp_path, base_dir):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": f"Mill {i}."}) + "\n" for i in range(66)))
    command = ("generate-data", texts, "-o", tmp_path / "out", "--base", base_dir, "--answer-tokens", 2, "--batch", 16)
    refused = run(*command, "--offset", 3, "--limit", 1)
    assert refused.exit_code == 2 and "contexts 3 to 4 are not whole shards; give multiples of 64" in refused.stderr
    assert run(*command, "--offset", 64, "--prompts", "published").exit_code == 0
    assert [path.name for path in (tmp_path / "out").glob("*.parquet")] == ["shard-00001.parquet"]
    other = run(*command, "--prompts", "mine")
    assert other.exit_code == 2 and "--prompts 'mine' is unknown; choose from lorify, published" in other.stderr
