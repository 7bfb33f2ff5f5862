import json

import pytest

from lorify.commands.train import read_config
from lorify.errors import ConfigError
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig


def test_keys_of_lorify_0_1_still_load(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"start_from": "hypernetwork", "optimization": {"keep_weight": 0.5}}))
    config = read_config(path, [])
    assert isinstance(config, AssociativeTrainingConfig)
    assert (str(config.init_from), config.optimization.preservation_kl_weight) == ("hypernetwork", 0.5)


@pytest.mark.parametrize("key", ["optimization.keep_weight", "optimization.preservation_kl_weight"])
@pytest.mark.parametrize("in_file", ["keep_weight", "preservation_kl_weight"])
def test_a_setting_replaces_a_value_under_its_old_or_new_name(tmp_path, key, in_file):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"optimization": {in_file: 0.5}}))
    config = read_config(path, [f"{key}=0.25"])
    assert isinstance(config, AssociativeTrainingConfig)
    assert config.optimization.preservation_kl_weight == 0.25


def test_a_key_under_both_of_its_names_is_refused(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"start_from": "a", "init_from": "b"}))
    with pytest.raises(ConfigError, match="init_from is given twice"):
        read_config(path, [])
