"""Hypernetworks, adapters and bases on a hub, through the real huggingface_hub and the command line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from adapters.random_adapters import random_adapter
from fake_hub import FakeHub, running_hub
from hypernets.authors_checkpoint import AuthorsCheckpoint
from serving.tiny_lorify import save_tiny_task_hypernetwork
from training.tiny_associative_run import tiny_config
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
        monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
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
    adapter = random_adapter(load_base(str(base_dir)))
    save_adapter(adapter, tmp_path / "adapter")
    (tmp_path / "adapter" / "secret.txt").write_text("not for the hub")
    result = run("push", tmp_path / "adapter", "ann/adapter", "--private")
    assert result.exit_code == 0, result.output
    assert "secret.txt" not in hub.repos["ann/adapter"]["main"]
    assert load_adapter(Path("ann/adapter")).provenance == adapter.provenance
    assert "ann/adapter" in hub.repos["ann/adapter"]["main"]["README.md"].decode()


@pytest.fixture
def filled_hub(hub: FakeHub, base_dir: Path, hypernetwork_dir: Path, tmp_path: Path) -> FakeHub:
    """A hub with a base, a hypernetwork, a task hypernetwork and an adapter, which have a place in no other folder."""
    base = load_base(str(base_dir))
    put(hub, "ann/base", base_dir)
    put(hub, "ann/hypernetworks", hypernetwork_dir, "documents/", revision="v1")
    put(hub, "ann/tasks", save_tiny_task_hypernetwork(tmp_path / "tasks", base))
    save_adapter(random_adapter(base), tmp_path / "adapter")
    put(hub, "ann/adapters", tmp_path / "adapter", "first/")
    return hub


DOCUMENTS = "ann/hypernetworks/documents@v1"


@pytest.mark.usefixtures("filled_hub")
@pytest.mark.parametrize(
    "command",
    [
        ("internalize", "DOC", "-o", "OUT", "--base", "ann/base", "--hypernetwork", DOCUMENTS),
        ("specialize", "Be brief.", "-o", "OUT", "--base", "ann/base", "--task-hypernetwork", "ann/tasks"),
        ("chat", "-q", "Who?", "--base", "ann/base", "--adapter", "ann/adapters/first=0.5", "--max-tokens", 2),
        ("adapter", "show", "ann/adapters/first"),
        ("adapter", "merge", "ann/adapters/first=0.5", "ann/adapters/first", "-o", "OUT", "--base", "ann/base"),
        ("adapter", "export", "ann/adapters/first", "-o", "OUT", "--base", "ann/base"),
        ("average", "ann/tasks", "ann/tasks", "-o", "OUT"),
        ("eval", "run", "facts:documents=1:questions=1", "-m", f"none,adapter:hypernetwork={DOCUMENTS}",
         "--max-tokens", 2, "--untimed", "-o", "OUT", "--base", "ann/base"),
        ("train", "CONFIG", "-o", "OUT", "--set", f"init_from={DOCUMENTS}"),
    ],
    ids=lambda command: " ".join(map(str, command[:2])),
)  # fmt: skip
def test_every_path_may_be_on_the_hub(command: tuple, document: Path, tmp_path: Path) -> None:
    config = tiny_config(steps=1).model_dump(mode="json") | {"base": "ann/base"}
    config["data"] |= {"questions": 0, "texts": 0, "general_probability": 0.0}
    (tmp_path / "run.json").write_text(json.dumps(config))
    words = {"DOC": document, "OUT": tmp_path / "out", "CONFIG": tmp_path / "run.json"}
    result = run(*(words.get(word, word) for word in command))
    assert result.exit_code == 0, result.output


def test_a_checkpoint_of_the_authors_is_imported_once(
    hub: FakeHub, base_dir: Path, document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AuthorsCheckpoint(load_base(str(base_dir))).save(tmp_path / "theirs")
    put(hub, "authors/doc-to-lora", tmp_path / "theirs", "demo/checkpoint-8/")
    options = ["--base", base_dir, "--hypernet", "authors/doc-to-lora/demo", "--max-tokens", 2]
    first = run("ask", document, "-q", "Who?", *options)
    assert first.exit_code == 0, first.output
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    imported = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "imported").rglob("*")}
    again = run("ask", document, "-q", "Who?", *options)
    assert (again.exit_code, again.stdout) == (0, first.stdout) and imported
    assert imported == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "imported").rglob("*")}
    result = run("import", "authors/doc-to-lora/demo", "-o", tmp_path / "own", "--base", base_dir)
    assert result.exit_code == 0 and (tmp_path / "own" / "config.json").exists(), result.output


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
        (lambda hub, _: None, "ann/checkpoint", "is damaged, and is not loaded"),
        (lambda hub, _: None, "ann/pickled@v9", "has no revision 'v9'"),
        (lambda hub, _: None, "ann/a--b", "is not a valid name of a repository"),
        (refuse_connections, "ann/pickled", "cannot be reached; connect to a network, or give a local folder"),
        (fill_the_disk, "ann/pickled", "the disk is full"),
    ],
)
def test_bad_addresses_are_one_line(
    hub: FakeHub, base_dir: Path, document: Path, monkeypatch: pytest.MonkeyPatch, prepare, address: str, reason: str
) -> None:
    hub.repos["ann/pickled"] = {"main": {"config.json": b"{}", "weights.bin": b"pickle"}}
    hub.repos["ann/checkpoint"] = {"main": {"pytorch_model.bin": b"pickle"}}
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


def test_a_run_on_a_base_on_the_hub_is_estimated_from_its_config_alone(hub, tmp_path, base_dir) -> None:
    put(hub, "ann/base", base_dir)
    config = tmp_path / "run.json"
    config.write_text(json.dumps({"kind": "perceiver", "base": "ann/base", "hypernetwork": {"latent_size": 16}}))
    estimated = run("train", config, "--dry-run", "--json")
    assert estimated.exit_code == 0, estimated.output
    weights = sum(parameter.numel() for parameter in load_base(str(base_dir)).model.parameters())
    assert json.loads(estimated.stdout)["base_parameters"] == weights
    assert {path.name for path in (tmp_path / "hub-cache").glob("models--*/snapshots/*/*")} == {"config.json"}
