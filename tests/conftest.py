"""The device of the tests, and shared fixtures: a tiny base and a hypernetwork for it, as folders on disk."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from devices import device_of_tests, tests_on
from tiny import TOWER_TEXT, tiny_associative_config, tiny_model, tiny_tokenizer

from lorify.base.loading import load_base
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork

_device = ExitStack()


def pytest_sessionstart() -> None:
    """Choose the device before test files are imported, as some build models then."""
    _device.enter_context(tests_on(device_of_tests()))


def pytest_sessionfinish() -> None:
    _device.close()


@pytest.fixture(autouse=True)
def no_extractor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of tiny bases do not load the encoder of the shipped extractor, which is larger than all else in them."""
    if request.node.get_closest_marker("shipped") is None:
        monkeypatch.setattr("lorify.shipped.load_extractor_for", lambda hypernetwork, **_placement: None)


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny base in Hugging Face form."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hypernetwork_dir(base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a hypernetwork with random weights for the tiny base."""
    folder = tmp_path_factory.mktemp("hypernetwork") / "tiny"
    config = tiny_associative_config(load_base(str(base_dir)), 32)
    ASSOCIATIVE.save(folder, config, AssociativeHypernetwork(config))
    return folder


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A text file of three sentences."""
    path = tmp_path / "tower.txt"
    path.write_text(TOWER_TEXT)
    return path
