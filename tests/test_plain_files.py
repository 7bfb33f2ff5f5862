"""Files that may come from others: links, devices, pipes and sizes."""

import json
import os
from pathlib import Path

import pytest
from serving.random_adapters import random_adapter

from lorify.adapters import load_adapter, save_adapter
from lorify.errors import AdapterError, HypernetworkError
from lorify.hypernets.checkpoint import hypernetwork_digest, read_config, read_weights
from lorify.json_text import parse_json
from lorify.plain_files import read_plain_file


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    assert read_plain_file(path, 7) == read_plain_file(path) == b"content"
    with pytest.raises(OSError, match="7 bytes, expected at most 6"):
        read_plain_file(path, 6)
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path / "missing")


def test_links_of_the_hugging_face_cache_are_followed(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "0123" / "adapter"
    for folder in (snapshot, tmp_path / "models--a--b" / "blobs"):
        folder.mkdir(parents=True)
    (tmp_path / "models--a--b" / "blobs" / "4567").write_bytes(b"content")
    (snapshot / "file").symlink_to("../../../blobs/4567")
    assert read_plain_file(snapshot / "file") == b"content"
    (tmp_path / "models--a--b" / "blobs" / "89ab").symlink_to("/dev/zero")
    (snapshot / "device").symlink_to("../../../blobs/89ab")
    with pytest.raises(OSError, match="it is a link"):
        read_plain_file(snapshot / "device")


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name(f"real-{path.name}"))
    path.symlink_to(f"real-{path.name}")


def replace_by_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def enlarge(path: Path) -> None:
    os.truncate(path, 1 << 40)  # takes no space, and more memory than there is if it is read


REPLACEMENTS = [replace_by_link, replace_by_device, replace_by_pipe, replace_by_folder]


@pytest.mark.parametrize("name", ["adapter.json", "adapter.safetensors", "statistics.safetensors"])
@pytest.mark.parametrize("replace", [*REPLACEMENTS, enlarge])
def test_an_adapter_of_anything_but_plain_files_is_refused(tmp_path: Path, name: str, replace) -> None:
    folder = tmp_path / "adapter"
    save_adapter(random_adapter(), folder)
    replace(folder / name)
    with pytest.raises(AdapterError, match=rf"{name}.*(it is a link|it is a folder, device or pipe|expected at most)"):
        load_adapter(folder)


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_a_hypernetwork_of_anything_but_plain_files_is_refused(tmp_path: Path, replace) -> None:
    for name in ("config.json", "hypernetwork.safetensors"):
        (tmp_path / name).write_text("{}")
        replace(tmp_path / name)
    for read in (read_config, read_weights, hypernetwork_digest):
        with pytest.raises(HypernetworkError, match=r"it is a link|it is a folder, device or pipe"):
            read(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "1" * 5000, '{"a": ' * 100_000, ""])
def test_json_errors_are_of_one_kind(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_json(text)
    assert parse_json('{"a": [1.5]}') == {"a": [1.5]}
