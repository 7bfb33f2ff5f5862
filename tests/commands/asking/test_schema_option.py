"""`lorify ask --schema`: answers in JSON, and schemas that are refused before a model is loaded."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from lorify.cli import app
from lorify.commands.asking.schema_option import generation_options

SCHEMA = {"type": "object", "properties": {"height": {"type": "integer"}}, "required": ["height"]}


@pytest.fixture
def asked(base_dir: Path, hypernetwork_dir: Path, document: Path) -> list[str]:
    options = ["--base", base_dir, "--hypernetwork", hypernetwork_dir, "-q", "How high is the tower?"]
    return ["ask", *map(str, [document, *options])]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_matches_the_schema(tmp_path: Path, asked: list[str], as_json: bool) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    result = CliRunner().invoke(app, [*asked, "--schema", str(path), *(["--json"] if as_json else [])])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)["answers"][0]["answer"] if as_json else result.stdout
    jsonschema_rs.validate(SCHEMA, json.loads(answer))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not valid JSON"),
        ("[]", "a JSON schema is an object"),
        ('{"type": "array", "uniqueItems": true}', "uniqueItems"),
    ],
)
def test_a_bad_schema_is_refused(tmp_path: Path, asked: list[str], content: str | None, message: str) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(app, [*asked, "--schema", str(path)])
    assert result.exit_code == 2
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_an_answer_in_json_may_be_longer_unless_a_limit_is_given() -> None:
    assert generation_options(None, SCHEMA).max_new_tokens > generation_options(None, None).max_new_tokens
    assert generation_options(7, SCHEMA).max_new_tokens == generation_options(7, None).max_new_tokens == 7
