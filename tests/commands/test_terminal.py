"""What commands print: nothing in it commands the terminal."""

import json
from pathlib import Path

import pytest
from serving.random_adapters import random_adapter
from typer.testing import CliRunner

from lorify.adapters import save_adapter
from lorify.cli import app
from lorify.commands.terminal import print_json, print_line, printable, stderr, stdout, write_stream

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\u202egpj.exe\ud800"


def is_harmless(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "héllo \u65e5\u672c\u8a9e",
        "tab\tand\nline",
        "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "",
    ],
)
def test_text_of_any_language_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("point", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x202E, 0x2066, 0xD800])
def test_what_commands_a_terminal_is_shown_as_an_escape(point: int) -> None:
    if chr(point) not in "\n\t":
        assert is_harmless(printable(chr(point))) and printable(chr(point)).startswith("\\")


def test_all_ways_of_printing_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    stdout().print(HOSTILE, markup=False)
    stderr().print(HOSTILE, markup=False)
    assert write_stream(iter([HOSTILE, HOSTILE])) == HOSTILE * 2
    print_json({HOSTILE: [HOSTILE]})
    printed = capsys.readouterr()
    assert is_harmless(printed.out) and is_harmless(printed.err) and "owned" in printed.err


def test_json_keeps_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: "é"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {HOSTILE: "é"} and "é" in printed


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_edited_adapter_cannot_reach_the_terminal(tmp_path: Path, options: list[str]) -> None:
    save_adapter(random_adapter(), tmp_path / "adapter")
    record = tmp_path / "adapter" / "adapter.json"
    document = json.loads(record.read_text())
    document["provenance"]["documents"][0]["name"] = document["provenance"]["base_name"] = HOSTILE
    record.write_text(json.dumps(document))
    shown = CliRunner().invoke(app, ["adapter", "show", str(tmp_path / "adapter"), *options])
    assert shown.exit_code == 0 and is_harmless(shown.output) and "owned" in shown.output


def test_an_error_that_quotes_a_path_is_harmless(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["adapter", "show", str(tmp_path / "\x1b[2Jno")])
    assert shown.exit_code == 2 and is_harmless(shown.output)
