"""Imports run one way, between packages and between the sub-packages of a package, and heavy libraries load late."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE_DIR = Path(__file__).parent.parent / "src" / "lorify"
# A package may import packages of a lower number, and itself. Packages of one number do not import each other.
FLOORS = {
    "errors": -1,
    "atomic": 0,
    "cancellation": 0,
    "extras": 0,
    "json_text": 0,
    "plain_files": 0,
    "threads": 0,
    "yaml_text": 0,
    "hub": 1,
    "base": 2,
    "data": 3,
    "contexts": 4,
    "adapters": 4,
    "extraction": 5,
    "hypernets": 5,
    "answering": 6,
    "shipped": 6,
    "training": 6,
    "argument_checks": 6,
    "facade": 7,
    "loading": 8,
    "evaluation": 9,
    "serving": 9,
    "commands": 10,
    "cli": 11,
    "__main__": 12,
}
NOT_ALLOWED = {("evaluation", "training"), ("serving", "training")}
MODULES = sorted(path for path in SOURCE_DIR.rglob("*.py") if path != SOURCE_DIR / "__init__.py")
PACKAGES = [
    "adapters",
    "answering",
    "base",
    "commands",
    "contexts",
    "data",
    "data.tasks",
    "evaluation",
    "hypernets",
    "hypernets.associative",
    "serving",
    "serving.http",
    "training",
]


def name_of(path: Path) -> str:
    """The dotted name of a module, without `lorify.`."""
    return ".".join(path.relative_to(SOURCE_DIR).with_suffix("").parts).removesuffix(".__init__")


def imported_names(path: Path) -> set[str]:
    """The dotted names of what a module imports from lorify, without `lorify.`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.removeprefix("lorify.") for name in names if name.startswith("lorify.")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_packages_import_lower_packages_only(path: Path) -> None:
    package = name_of(path).partition(".")[0]
    assert package in FLOORS, f"{package} is a new package: give it a floor here"
    others = {name.partition(".")[0] for name in imported_names(path)} - {package}
    wrong = {other for other in others if FLOORS[other] >= FLOORS[package] or (package, other) in NOT_ALLOWED}
    assert not wrong, f"{package} may not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("package", PACKAGES)
def test_sub_packages_do_not_import_each_other_in_circles(package: str) -> None:
    prefix, depth = f"{package}.", package.count(".") + 1
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        if not (name := name_of(path)).startswith(prefix):
            continue
        own = name.split(".")[depth]
        used = {other.split(".")[depth] for other in imported_names(path) if other.startswith(prefix)}
        graph.setdefault(own, set()).update(used - {own})
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_modules_do_not_import_each_other_in_circles() -> None:
    known = {name_of(path) for path in MODULES}
    graph = {
        name_of(path): {found for name in imported_names(path) if (found := longest_prefix(name, known))}
        for path in MODULES
    }
    graphlib.TopologicalSorter({name: used - {name} for name, used in graph.items()}).prepare()


def longest_prefix(name: str, known: set[str]) -> str | None:
    """The module that an imported name is or is in."""
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name if name in known else None


def modules_after(code: str) -> set[str]:
    command = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import lorify",
        "from lorify.cli import app\napp(['--help'], standalone_mode=False)",
        "from lorify.cli import app\napp(['ask', '--help'], standalone_mode=False)",
        "from lorify.cli import app\napp(['eval', 'niah', '--help'], standalone_mode=False)",
    ],
)
def test_help_loads_no_heavy_library(code: str) -> None:
    assert not modules_after(code) & {"torch", "transformers", "markitdown", "matplotlib", "numpy"}


def test_the_map_in_contributing_shows_the_order_that_is_enforced_here() -> None:
    text = (SOURCE_DIR.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.search(r"\n\n((?: {4}\S.*\n| {8}.*\n)+)\n`tests/test_imports.py` enforces", text)
    assert shown is not None
    levels = [{name.strip() for name in level.split(",")} for level in shown[1].split("<")]
    enforced = {floor: {name for name in FLOORS if FLOORS[name] == floor} for floor in sorted(set(FLOORS.values()))}
    assert levels == list(enforced.values())[:-1]  # all but __main__
    there = {path.stem for path in SOURCE_DIR.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - {"__init__", "pretrained"} == set(FLOORS)
