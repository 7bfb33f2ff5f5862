"""The commands and the Python of the README and of docs/ are those of the program."""

import os
import re
import shlex
import shutil
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from serving.documents.test_parsing import pdf
from serving.tiny_lorify import save_tiny_task_hypernetwork, tiny_lorify
from tiny import tiny_base
from typer.testing import CliRunner

import lorify
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.commands.evaluation.suites import all_suites
from lorify.commands.settings import apply_settings
from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import methods_for
from lorify.evaluation.specs import parse_spec
from lorify.evaluation.suites.cases import CaseKind
from lorify.hypernets.relevance import Relevance, save_relevance
from lorify.training.registry import load_training_config

ROOT = Path(__file__).parents[1]
HISTORY = {"research-log.md", "results.md"}
"""Pages whose commands are those of their time."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = [page for page in PAGES if page.name not in HISTORY]
EXECUTED = [ROOT / "README.md", ROOT / "docs" / "usage.md"]
LONG_RUNNING = {"serve"}


@dataclass(frozen=True)
class Command:
    """A `lorify` command of a page."""

    page: str
    words: tuple[str, ...]
    is_in_block: bool = True

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)[:80]}"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def variables(script: str) -> dict[str, str]:
    """The values of the shell variables that a script sets."""
    found: dict[str, str] = {}
    for name, quoted, bare in re.findall(r'^([A-Z][A-Z0-9]*)=(?:"([^"]*)"|(\S+))', script, re.M):
        found[name] = expand(" ".join((quoted or bare).split()), found)
    return found


def expand(line: str, values: dict[str, str]) -> str:
    return re.sub(r"\$([A-Z][A-Z0-9]*)", lambda match: values.get(match[1], match[0]), line)


def commands(page: Path) -> list[Command]:
    """Every `lorify ...` command in the shell blocks of a page, and in its inline code."""
    text = page.read_text(encoding="utf-8")
    script = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [expand(line, variables(script)) for line in script.splitlines()]
    lines = [part for line in lines for part in re.split(r";|--no-python|--no_python", line)]
    inline = re.findall(r"`(lorify [a-z][^`]*)`", text)
    found = []
    for number, line in enumerate([*lines, *(item.replace("\n", " ") for item in inline)]):
        if not re.search(r"\blorify [a-z-]", line):
            continue
        words = shlex.split(re.split(r"\s[<>]\s", line)[0], comments=True)
        if "lorify" in words and "..." not in words:
            found.append(Command(page.name, tuple(words[words.index("lorify") + 1 :]), number < len(lines)))
    return found


ALWAYS_RELEVANT = Relevance(threshold=0.0, unseen_weight=1.0, weights={})
ON_THE_HUB = {"ann/base@v1", "ann/handbook@2026-11", "ann/hypernetworks/museum"}
ALL_COMMANDS = [command for page in PAGES for command in commands(page)]


@cache
def application() -> Any:
    return typer.main.get_command(app)


def resolve(words: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The command that words name, and its arguments."""
    command, rest = application(), list(words)
    while rest and (inner := getattr(command, "commands", {}).get(rest[0])) is not None:
        command, rest = inner, rest[1:]
    return command, rest


def test_pages_show_commands():
    assert len(ALL_COMMANDS) > 80


@pytest.mark.parametrize("command", dict.fromkeys(ALL_COMMANDS), ids=str)
def test_every_command_and_option_exists(command: Command):
    found, rest = resolve(command.words)
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = [word for word in rest if re.fullmatch(r"-[a-zA-Z]|--[a-z][\w-]*(=.*)?", word)]
    assert command.words[0] in application().commands or command.words[0].startswith("--")
    if hasattr(found, "commands"):  # `lorify eval SUITE` is `lorify eval run SUITE`
        found, rest = resolve(("eval", "run"))
        known |= {option for parameter in found.params for option in parameter.opts}
    assert {option.partition("=")[0] for option in options} <= known | {"-h", "--help", "--version", "--debug"}


@pytest.mark.parametrize("command", dict.fromkeys(ALL_COMMANDS), ids=str)
def test_every_command_has_the_arguments_it_needs_and_no_others(command: Command):
    found, rest = resolve(command.words)
    if hasattr(found, "commands"):
        if command.words[0] != "eval" or len(command.words) == 1:
            return  # the name of a group, in a sentence
        found, rest = resolve(("eval", "run", *command.words[1:]))
    given, extra, _ = found.make_parser(found.make_context(found.name, [], resilient_parsing=True)).parse_args(rest)
    assert not extra
    if command.is_in_block:
        assert not [parameter.name for parameter in found.params if parameter.required and not given[parameter.name]]


EVALUATIONS = [command for command in dict.fromkeys(ALL_COMMANDS) if command.words[0] == "eval" and command.words[1:]]


def is_method(text: str, kind: CaseKind) -> bool:
    try:
        parse_spec(text, methods_for(kind), "method")
    except EvaluationError:
        return False
    return True


@pytest.mark.parametrize("command", EVALUATIONS, ids=str)
def test_suites_and_methods_of_evaluations_exist(command: Command):
    found, rest = resolve(command.words)
    if hasattr(found, "commands"):
        found, rest = resolve(("eval", "run", *command.words[1:]))
    given, _, _ = found.make_parser(found.make_context(found.name, [], resilient_parsing=True)).parse_args(rest)
    suites = {suite.name: suite for suite in all_suites()}
    if found.name == "run" and given["suite"].isidentifier() and given["suite"].islower():
        parse_spec(given["suite"], suites, "suite")
    if (methods := given.get("methods")) is None or "METHOD" in methods:
        return
    needs_path = {"oracle", "restored", "multi_task"}  # shortcuts give their folders with other options
    for method in methods.split(","):
        assert method in needs_path or any(is_method(method, kind) for kind in get_args(CaseKind)), method


TRAININGS = [command for command in dict.fromkeys(ALL_COMMANDS) if command.words[0] == "train"]


@pytest.mark.parametrize("command", [c for c in TRAININGS if any("configs/" in w for w in c.words)], ids=str)
def test_configs_of_training_runs_exist_and_have_the_keys_that_are_set(command: Command):
    (config,) = (word for word in command.words if word.startswith("configs/"))
    settings = [word for option, word in pairwise(command.words) if option == "--set" and "$" not in word]
    load_training_config(ROOT / config, lambda document: apply_settings(document, settings))


T2L_PAGE, D2L_PAGE = ROOT / "docs" / "reproduce-text-to-lora.md", ROOT / "docs" / "reproduce-doc-to-lora.md"
T2L_RECIPE, D2L_RECIPE = "configs/t2l/mistral-7b-instruct-v0.2-{}.json", "configs/d2l/gemma-2-2b-it-{}.json"


def table_rows(page: Path, first_column: str) -> list[list[str]]:
    """The cells of the rows of the table with this first column."""
    (table,) = re.findall(rf"^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page.read_text(encoding="utf-8"), re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def inline_codes(cell: str) -> list[str]:
    return re.findall("`([^`]*)`", cell)


FIGURES = table_rows(T2L_PAGE, "table or figure")


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row[0][:40])
def test_every_table_of_text_to_lora_names_methods_or_a_command(row: list[str]):
    written = inline_codes(row[2])
    not_methods = {suite.name for suite in all_suites()} | {"prompt_tokens", "mean_absolute_error"}
    # The pages give the folders of these in the first command.
    not_methods |= {"oracle", "restored", "multi_task", "hyperdecoders"}
    codes = [code for code in written if re.fullmatch(r"[a-z_]+[0-9]*(:.*)?", code)]
    assert codes or any(code.startswith(("lorify ", "python ")) for code in written)
    for code in codes:
        is_known = code.partition(":")[0] in not_methods
        assert is_known or any(is_method(code, kind) for kind in get_args(CaseKind)), code


def settings_of_rows() -> list[tuple[str, str]]:
    """Recipes and the settings that the tables of both pages change in them."""
    found = []
    for row in FIGURES:
        recipe = ""
        for code in inline_codes(row[1]):
            recipe = code if (ROOT / T2L_RECIPE.format(code)).exists() else recipe
            found += [(T2L_RECIPE.format(recipe), code)] if code.startswith("--set ") else []
    for _, how in table_rows(D2L_PAGE, "variant"):
        recipe = "main-chunks" if "main-chunks.json" in how else "main"
        found += [(D2L_RECIPE.format(recipe), code) for code in inline_codes(how) if code.startswith("--set ")]
    return found


@pytest.mark.parametrize(("recipe", "settings"), settings_of_rows())
def test_variants_of_published_recipes_are_configs(recipe: str, settings: str):
    words = shlex.split(settings)
    load_training_config(ROOT / recipe, lambda document: apply_settings(document, words[1::2]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configs_that_a_page_names_exist(page: Path):
    named = re.findall(r"configs/[\w./-]+\.json", page.read_text(encoding="utf-8"))
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_other_files_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", text) + re.findall(r'(?:src|srcset)="([^":]+)"', text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_lead_to_one(page: Path):
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert not [anchor for file, anchor in links if anchor not in anchors(page.parent / file if file else page)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages mention, as the working directory."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    text = b"BT /F1 12 Tf 72 700 Td (Ada Lund has approved travel since 3 May 2019.) Tj ET"
    (tmp_path / "handbook.pdf").write_bytes(pdf(num_pages=1, content=text))
    (tmp_path / "notes.md").write_text("# Notes\n\nThe report is due on 3 May.\n")
    (tmp_path / "travel.md").write_text("Ada Lund approves travel.\n")
    (tmp_path / "mail.txt").write_text("The report is due on 3 May. Please send it to Ada Lund.\n")
    (tmp_path / "name.json").write_text('{"type": "object", "properties": {"name": {"type": "string"}}}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_the_commands_run_one_after_the_other(page: Path, desk: Path, base_dir: Path, hypernetwork_dir: Path):
    tasks = save_tiny_task_hypernetwork(desk / "tiny-tasks", load_base(str(base_dir)))
    routing_dir = Path(shutil.copytree(hypernetwork_dir, desk / "tiny"))
    save_relevance(routing_dir, ALWAYS_RELEVANT)  # exports in parts need it
    instead = {"--base": base_dir, "--hypernetwork": routing_dir, "--task-hypernetwork": tasks, "--max-tokens": 2}
    instead |= {"--refine": 0.2}
    assert CliRunner().invoke(app, adapted(("internalize", "notes.md", "-o", "notes"), instead)).exit_code == 0
    for command in commands(page):
        if command.words[0] in LONG_RUNNING or not command.is_in_block or ON_THE_HUB & set(command.words):
            continue
        stdin = (desk / "mail.txt").read_text() if "-" in command.words else "Who approves travel?\n"
        result = CliRunner().invoke(app, adapted(command.words, instead), input=stdin)
        assert result.exit_code == 0, f"{command}\n{result.output}"


def adapted(words: tuple[str, ...], instead: dict[str, object]) -> list[str]:
    """The command on tiny weights: options that it knows are replaced or added."""
    found, _ = resolve(words)
    known = {option for parameter in found.params for option in parameter.opts}
    words = tuple(
        word for i, word in enumerate(words) if word not in instead and (not i or words[i - 1] not in instead)
    )
    used = {name: value for name, value in instead.items() if name in known}
    if "--refine" in used and "--refine" not in words:
        del used["--refine"]
    if "--task" in known and "--task" not in words:
        used.pop("--task-hypernetwork", None)
    return [*words, *(str(item) for pair in used.items() for item in pair)]


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_the_python_runs(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch):
    base = tiny_base()
    model = tiny_lorify(base, task_hypernetwork=save_tiny_task_hypernetwork(desk / "tiny-tasks", base))
    monkeypatch.setattr(model, "_internalizer", replace(model.internalizer, relevance=ALWAYS_RELEVANT))
    monkeypatch.setattr(lorify, "load", lambda: model, raising=False)
    (code,) = blocks(page, "python")
    exec(compile(code, page.name, "exec"), {})
    assert (desk / "museum-adapter").is_dir() and os.listdir(desk / "museum-adapter")
