"""Which extractor a model uses."""

import warnings

import pytest
from tiny_extractor import tiny_extractor

from lorify import shipped
from lorify.extraction.storage import save_extractor
from lorify.hypernets.checkpoint import HYPERNETWORK_FILES
from lorify.shipped import load_extractor_for


@pytest.fixture
def own(tmp_path):
    """A folder with an extractor, as a hypernetwork's."""
    extractor = tiny_extractor(tmp_path / "encoder")
    save_extractor(tmp_path / "own", extractor.config, extractor.network)
    return tmp_path / "own"


def test_an_extractor_in_the_folder_of_a_hypernetwork_comes_before_the_shipped_one(own, tmp_path, monkeypatch):
    extractor = tiny_extractor(tmp_path / "encoder")
    save_extractor(tmp_path / "shipped", extractor.config.model_copy(update={"max_tokens": 100}), extractor.network)
    monkeypatch.setattr(shipped, "SHIPPED_EXTRACTOR", tmp_path / "shipped")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = [load_extractor_for(folder) for folder in (own, tmp_path / "encoder", None)]
    assert [each is not None and each.config.max_tokens for each in chosen] == [128, 100, 100]


def test_what_cannot_be_loaded_is_done_without_and_warned_of(own, tmp_path, monkeypatch):
    (own / "extractor.safetensors").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="is not an extractor, or damaged .* parts are chosen by words alone"):
        assert load_extractor_for(own) is None
    monkeypatch.setattr(shipped, "SHIPPED_EXTRACTOR", tmp_path / "none")
    with pytest.warns(UserWarning, match="is not an extractor"):
        assert load_extractor_for(None) is None


def test_saving_a_hypernetwork_may_replace_a_folder_with_an_extractor(own):
    assert {path.name for path in own.iterdir()} <= HYPERNETWORK_FILES
