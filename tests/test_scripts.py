"""Scripts of the repository, as a user runs them."""

import subprocess
import sys
from pathlib import Path

PARTS_PATH = Path(__file__).parent.parent / "scripts" / "parts.py"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PARTS_PATH, *map(str, args)], capture_output=True, text=True, check=False)


def test_parts_are_joined_and_damage_is_found(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "weights").write_bytes(content)
    assert run("split", tmp_path / "best", tmp_path / "parts").returncode == 0
    assert run("join", tmp_path / "parts", tmp_path / "joined").returncode == 0
    assert (tmp_path / "joined" / "weights").read_bytes() == content
    (tmp_path / "parts" / "part-00").write_bytes(b"damaged")
    result = run("join", tmp_path / "parts", tmp_path / "again")
    assert result.returncode == 1 and "part-00 is missing or damaged" in result.stderr
    assert not (tmp_path / "again").exists()
