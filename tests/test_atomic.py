import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lorify.atomic import (
    DISK_FULL,
    check_replaceable,
    failure_reason,
    replaced_file,
    replaced_folder,
    reported_write_errors,
    save_tensors,
)
from lorify.errors import AdapterError, HypernetworkError

OWNED = {"weights", "parts/"}


def write_folder(folder: Path, content: str) -> None:
    with replaced_folder(folder, OWNED, AdapterError) as temporary:
        (temporary / "weights").write_text(content)
        (temporary / "parts").mkdir()
        (temporary / "parts" / "one").write_text(content)


def test_a_file_is_replaced_and_its_parents_are_created(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    for content in ("old", "new"):
        with replaced_file(path) as temporary:
            temporary.write_text(content)
        assert path.read_text() == content
    assert os.listdir(path.parent) == ["file"]


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(KeyboardInterrupt), replaced_file(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_failed_file_removes_the_parents_it_created(tmp_path: Path) -> None:
    with pytest.raises(KeyError), replaced_file(tmp_path / "a" / "b" / "file"):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, "old")
    with replaced_folder(folder, OWNED, AdapterError) as temporary:
        (temporary / "weights").write_text("new")
    assert os.listdir(folder) == ["weights"]
    assert (folder / "weights").read_text() == "new"
    assert os.listdir(tmp_path) == ["folder"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_folder(folder, "old")
    with pytest.raises(KeyboardInterrupt), replaced_folder(folder, OWNED, AdapterError) as temporary:
        (temporary / "weights").write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["folder"]
    assert (folder / "weights").read_text() == "old"
    assert (folder / "parts" / "one").read_text() == "old"


@pytest.mark.parametrize("foreign", ["thesis.txt", "photos/", "parts", "weights/"])
def test_a_folder_with_foreign_content_is_refused(tmp_path: Path, foreign: str) -> None:
    folder = tmp_path / "folder"
    (folder / foreign).mkdir(parents=True) if foreign.endswith("/") else folder.mkdir()
    if not foreign.endswith("/"):
        (folder / foreign).write_text("years of work")
    with pytest.raises(HypernetworkError, match=f"contains '{foreign}'"):
        check_replaceable(folder, OWNED, HypernetworkError)
    with pytest.raises(AdapterError, match=f"contains '{foreign}'"):
        write_folder(folder, "new")
    assert (folder / foreign).exists()
    assert os.listdir(tmp_path) == ["folder"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("years of work")
    with pytest.raises(AdapterError, match="is a file"):
        write_folder(tmp_path / "folder", "new")
    assert (tmp_path / "folder").read_text() == "years of work"


def test_missing_and_empty_folders_may_be_replaced(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "missing", (), AdapterError)
    check_replaceable(tmp_path, (), AdapterError)


def test_a_refused_write_becomes_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(AdapterError, match=r"target cannot be written \(the disk is full\); choose") as caught,
        reported_write_errors(tmp_path / "target", AdapterError),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert isinstance(caught.value.__cause__, OSError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "Kein Speicherplatz"), DISK_FULL),
        (RuntimeError("write failed: No space left on device (os error 28)"), DISK_FULL),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (RuntimeError("first line\nsecond line"), "first line"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_the_reason_of_a_failed_write_is_one_line(error: Exception, reason: str) -> None:
    assert failure_reason(error) == reason


def test_tensor_files_have_the_permissions_of_new_files(tmp_path: Path) -> None:
    save_tensors({"x": torch.ones(2)}, tmp_path / "x.safetensors", {"format": "pt"})
    (tmp_path / "new").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "new").stat().st_mode
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert torch.equal(file.get_tensor("x"), torch.ones(2))
