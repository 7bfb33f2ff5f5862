"""What works without the optional dependencies, and what a missing one says."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lorify.extras import PACKAGES

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
CORE_NEEDS = {"accelerate", "filelock", "httpx2"}
"""Optional packages that the core's own dependencies (peft, huggingface_hub) bring along."""
HIDE = """
from importlib.machinery import PathFinder

original = PathFinder.find_spec

@classmethod
def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden!r} else original(name, path, target)

PathFinder.find_spec = find_spec
from lorify.cli import main
main()
"""


def run_without(hidden: set[str], *args: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import some packages."""
    command = [sys.executable, "-c", HIDE.format(hidden=hidden), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_every_optional_package_is_in_the_extra_that_the_error_names():
    extras = PYPROJECT["project"]["optional-dependencies"]
    core = " ".join(PYPROJECT["project"]["dependencies"])
    for package, extra in PACKAGES.items():
        if package == "starlette":  # comes with fastapi
            continue
        name = package.replace("_", "-")
        assert any(requirement.startswith(f"{name}>=") for requirement in extras[extra]), package
        assert f"{name}>=" not in core


def test_documents_are_asked_without_any_extra(base_dir, hypernetwork_dir, document):
    options = ["--base", base_dir, "--hypernetwork", hypernetwork_dir, "--max-tokens", 2, "--json"]
    result = run_without(set(PACKAGES) - CORE_NEEDS, "ask", document, "-q", "Who was its architect?", *options)
    assert result.returncode == 0, result.stderr
    assert '"answers"' in result.stdout


@pytest.mark.parametrize(
    ("package", "extra", "command"),
    [
        ("fastapi", "serve", ("serve", "--base", "{folder}")),
        ("tensorboard", "train", ("train", "{config}", "-o", "{folder}/run")),
        ("rouge_score", "eval", ("eval", "facts:documents=1")),
    ],
)
def test_a_missing_extra_is_named_in_one_line(tmp_path, package, extra, command):
    config = tmp_path / "run.json"
    config.write_text("{}")
    result = run_without({package}, *(part.format(config=config, folder=tmp_path) for part in command))
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1
    assert package in result.stderr and f"pip install 'lorify[{extra}]'" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
