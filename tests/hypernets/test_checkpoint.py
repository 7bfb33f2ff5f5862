import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lorify.errors import HypernetworkError
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.checkpoint import WEIGHTS_NAME

CONFIG = AssociativeConfig(
    base_name="b", base_digest="d", hidden_size=12, input_size=24, layers=(1, 2), rank=4, width=8
)


@pytest.fixture
def folder(tmp_path):
    ASSOCIATIVE.save(tmp_path / "h", CONFIG, AssociativeHypernetwork(CONFIG))
    return tmp_path / "h"


def test_whoever_may_read_new_files_may_read_the_weights(folder):
    (folder.parent / "new").touch()
    assert (folder / WEIGHTS_NAME).stat().st_mode == (folder.parent / "new").stat().st_mode


def test_round_trip(tmp_path):
    hypernetwork = AssociativeHypernetwork(CONFIG)
    ASSOCIATIVE.save(tmp_path / "h", CONFIG, hypernetwork)
    config, read = ASSOCIATIVE.load(tmp_path / "h")
    assert config == CONFIG
    for name, tensor in hypernetwork.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], tensor, rtol=0, atol=0)
    assert [p.name for p in tmp_path.iterdir()] == ["h"]


def test_large_matrices_take_one_byte_a_number_and_keep_their_values(tmp_path):
    config = CONFIG.model_copy(update={"hidden_size": 60, "input_size": 120, "width": 40})
    hypernetwork = AssociativeHypernetwork(config)
    ASSOCIATIVE.save(tmp_path / "h", config, hypernetwork)
    stored = load_file(tmp_path / "h" / WEIGHTS_NAME)
    assert stored["value_in"].dtype == torch.int8
    assert stored["log_scale"].dtype == stored["key_bias"].dtype == torch.float32
    written, read = hypernetwork.state_dict()["value_in"], ASSOCIATIVE.load(tmp_path / "h")[1].state_dict()["value_in"]
    assert ((written - read).abs() <= written.abs().amax(-2, keepdim=True) / 254 * 1.001).all()
    ASSOCIATIVE.save(tmp_path / "again", config, ASSOCIATIVE.load(tmp_path / "h")[1])
    assert (tmp_path / "again" / WEIGHTS_NAME).read_bytes() == (tmp_path / "h" / WEIGHTS_NAME).read_bytes()


def test_saving_again_replaces(folder):
    other = AssociativeHypernetwork(CONFIG)
    ASSOCIATIVE.save(folder, CONFIG, other)
    torch.testing.assert_close(ASSOCIATIVE.load(folder)[1].query, other.query)
    assert [p.name for p in folder.parent.iterdir()] == ["h"]


def test_saving_again_deletes_the_confidence_fitted_to_the_old_weights(folder):
    (folder / "confidence.json").write_text("{}")
    (folder / "stated.json").write_text("{}")
    ASSOCIATIVE.save(folder, CONFIG, AssociativeHypernetwork(CONFIG))
    assert not (folder / "confidence.json").exists() and not (folder / "stated.json").exists()


def test_a_folder_with_other_files_is_left_alone(folder):
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(HypernetworkError, match=r"contains 'thesis\.txt'"):
        ASSOCIATIVE.save(folder, CONFIG, AssociativeHypernetwork(CONFIG))
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert (folder / WEIGHTS_NAME).exists()


def damage_json(folder):
    (folder / "config.json").write_text("{")


def foreign_version(folder):
    document = json.loads((folder / "config.json").read_text()) | {"format_version": 99}
    (folder / "config.json").write_text(json.dumps(document))


def unknown_key(folder):
    document = json.loads((folder / "config.json").read_text()) | {"surprise": 1}
    (folder / "config.json").write_text(json.dumps(document))


def truncate_weights(folder):
    data = (folder / WEIGHTS_NAME).read_bytes()
    (folder / WEIGHTS_NAME).write_bytes(data[: len(data) // 2])


def wrong_shape(folder):
    weights = load_file(folder / WEIGHTS_NAME)
    save_file(weights | {"query": torch.zeros(2, 5, 24)}, folder / WEIGHTS_NAME)


def wrong_scale(folder):
    weights = load_file(folder / WEIGHTS_NAME)
    save_file(weights | {"query.scale": torch.ones(2, 1, 5)}, folder / WEIGHTS_NAME)


def missing_weights(folder):
    (folder / WEIGHTS_NAME).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_json, "damaged"),
        (foreign_version, "format version 99"),
        (unknown_key, "damaged"),
        (truncate_weights, "damaged"),
        (wrong_shape, r"query is \(2, 5, 24\), expected \(2, 4, 24\)"),
        (wrong_scale, "damaged"),
        (missing_weights, "is missing"),
    ],
)
def test_damage_is_named_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(HypernetworkError, match=message) as caught:
        ASSOCIATIVE.load(folder)
    assert "\n" not in str(caught.value)
