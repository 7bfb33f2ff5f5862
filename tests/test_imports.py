import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE_DIR = Path(__file__).parent.parent / "src" / "lorify"
# A room may import rooms of a lower number, and itself. Rooms of one number do not know each other.
FLOORS = {
    "errors": -1,
    "atomic": 0,
    "cancellation": 0,
    "extras": 0,
    "base": 1,
    "data": 2,
    "contexts": 3,
    "adapters": 3,
    "hypernets": 4,
    "answering": 5,
    "training": 5,
    "facade": 6,
    "evaluation": 7,
    "serving": 7,
    "commands": 8,
    "cli": 9,
    "__main__": 10,
}
STRANGERS = {("evaluation", "training"), ("serving", "training"), ("serving", "evaluation")}
MODULES = sorted(path for path in SOURCE_DIR.rglob("*.py") if path != SOURCE_DIR / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE_DIR).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("lorify.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE_DIR)))
def test_imports_run_downwards(path: Path) -> None:
    room = room_of(path)
    assert room in FLOORS, f"{room} is a new room: give it a floor here"
    wrong = {
        other for other in imported_rooms(path) - {room} if FLOORS[other] >= FLOORS[room] or (room, other) in STRANGERS
    }
    assert not wrong, f"{room} may not import {', '.join(sorted(wrong))}"


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
