"""Hypernetworks, adapters and bases on a hub, through the real huggingface_hub and the command line."""

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from adapters.random_adapters import random_adapter
from fake_hub import FakeHub, running_hub
from typer.testing import CliRunner, Result

from lorify.adapters import load_adapter, save_adapter
from lorify.base.loading import load_base
from lorify.cli import app
from lorify.errors import HypernetworkError
from lorify.hub import HubAddress, local_folder

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as (hub, url):
        for name, value in {
            "ENDPOINT": url,
            "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield hub


def put(hub: FakeHub, repo: str, folder: Path, under: str = "", revision: str = "main") -> None:
    files = {under + path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repos.setdefault(repo, {"main": {}})[revision] = files


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann/museum", HubAddress("ann/museum")),
        ("ann/museum@v1", HubAddress("ann/museum", "", "v1")),
        ("ann/museum/runs/best", HubAddress("ann/museum", "runs/best")),
        ("ann/museum/best@refs/pr/1", HubAddress("ann/museum", "best", "refs/pr/1")),
        ("museum", None),
        ("/ann/museum", None),
        ("./ann/museum", None),
        ("~/museum/best", None),
        ("ann/../museum", None),
        ("ann/a b", None),
        ("", None),
    ],
)
def test_addresses(text: str, expected: HubAddress | None) -> None:
    assert HubAddress.parse(text) == expected


def test_an_existing_path_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ann" / "museum").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert HubAddress.parse("ann/museum") is None


def test_a_document_is_asked_with_base_and_hypernetwork_from_the_hub_and_again_offline(
    hub: FakeHub, base_dir: Path, hypernetwork_dir: Path, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(hub, "ann/base", base_dir, revision="v1")
    put(hub, "ann/hypernetworks", hypernetwork_dir, "demo/")
    options = ["--base", "ann/base@v1", "--hypernetwork", "ann/hypernetworks/demo", "--max-tokens", 2]
    first = run("ask", document, "-q", "Who?", *options)
    assert first.exit_code == 0, first.output
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    before = hub.num_requests
    again = run("ask", document, "-q", "Who?", *options)
    assert (again.exit_code, again.stdout, hub.num_requests) == (0, first.stdout, before)


def test_a_hypernetwork_is_pushed_with_a_card_and_used(hub: FakeHub, hypernetwork_dir: Path) -> None:
    result = run("push", hypernetwork_dir, "ann/museum/first", "--license", "apache-2.0")
    assert result.exit_code == 0 and "ann/museum/commit/" in result.stdout, result.output
    files = hub.repos["ann/museum"]["main"]
    assert {"first/config.json", "first/hypernetwork.safetensors", "first/README.md"} <= files.keys()
    card = files["first/README.md"].decode()
    assert "license: apache-2.0" in card and "--hypernetwork ann/museum/first" in card
    folder = local_folder("ann/museum/first", "hypernetwork", HypernetworkError)
    assert (folder / "config.json").read_bytes() == (hypernetwork_dir / "config.json").read_bytes()


def test_an_adapter_is_pushed_and_loaded(hub: FakeHub, base_dir: Path, tmp_path: Path) -> None:
    adapter = random_adapter(load_base(str(base_dir), device="cpu"))
    save_adapter(adapter, tmp_path / "adapter")
    (tmp_path / "adapter" / "secret.txt").write_text("not for the hub")
    result = run("push", tmp_path / "adapter", "ann/adapter", "--private")
    assert result.exit_code == 0, result.output
    assert "secret.txt" not in hub.repos["ann/adapter"]["main"]
    assert load_adapter(Path("ann/adapter")).provenance == adapter.provenance
    assert "ann/adapter" in hub.repos["ann/adapter"]["main"]["README.md"].decode()


def refuse_connections(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there


def fill_the_disk(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(huggingface_hub.HfApi, "snapshot_download", full)


@pytest.mark.parametrize(
    ("prepare", "address", "reason"),
    [
        (lambda hub, _: None, "ann/missing", "has no repository of that name, or it is private"),
        (lambda hub, _: hub.gated.add("ann/gated"), "ann/gated", "is gated; ask for access"),
        (lambda hub, _: None, "ann/pickled", "holds no safetensors files, and pickled ones are never loaded"),
        (lambda hub, _: None, "ann/pickled/nowhere", "holds no safetensors files"),
        (lambda hub, _: None, "ann/pickled@v9", "has no revision 'v9'"),
        (lambda hub, _: None, "ann/a--b", "is not a valid name of a repository"),
        (refuse_connections, "ann/pickled", "cannot be reached; connect to a network, or give a local folder"),
        (fill_the_disk, "ann/pickled", "the disk is full"),
    ],
)
def test_bad_addresses_are_one_line(
    hub: FakeHub, base_dir: Path, document: Path, monkeypatch: pytest.MonkeyPatch, prepare, address: str, reason: str
) -> None:
    hub.repos["ann/pickled"] = {"main": {"config.json": b"{}", "pytorch_model.bin": b"pickle"}}
    prepare(hub, monkeypatch)
    result = run("ask", document, "-q", "Who?", "--base", base_dir, "--hypernetwork", address)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2 and reason in line and address.partition("@")[0] in line


def test_what_is_no_hypernetwork_or_adapter_is_not_pushed(hub: FakeHub, tmp_path: Path) -> None:
    result = run("push", tmp_path, "ann/nothing")
    assert result.exit_code == 2 and "holds neither a hypernetwork nor an adapter" in result.stderr
    assert not hub.repos


def test_an_adapter_on_the_hub_is_not_changed(document: Path) -> None:
    result = run("adapter", "add", "ann/adapter", document)
    assert result.exit_code == 2 and "cannot be changed there" in result.stderr
