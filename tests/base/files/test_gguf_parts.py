"""GGUF files in parts."""

from pathlib import Path

import pytest

from lorify.base.files.gguf_parts import find_parts, is_first_part, joined_file
from lorify.base.files.locate import resolve_base
from lorify.errors import BaseModelError


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"model.gguf.part{number:02}" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(b"GGUF" if number == 0 else bytes([number]))
    (tmp_path / "other.gguf.part12").write_bytes(b"of another file")
    return paths


def test_parts_are_joined_in_order(parts: list[Path]) -> None:
    assert is_first_part(parts[0]) and not is_first_part(parts[1])
    with joined_file(find_parts(parts[0])) as path:
        assert path.name == "model.gguf" and path.read_bytes() == b"GGUF" + bytes(range(1, 12))
    assert not path.exists()


def test_a_missing_part_is_named(parts: list[Path]) -> None:
    parts[3].unlink()
    with pytest.raises(BaseModelError, match=r"part 3 of model\.gguf is missing"):
        resolve_base(str(parts[0]))


def test_joined_nonsense_is_refused(parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BaseModelError, match=r"model\.gguf cannot be read as a language model"):
        resolve_base(str(parts[0]))
