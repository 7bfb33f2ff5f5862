import json

import pytest
import torch
from training.toy_run import TOY
from typer.testing import CliRunner

from lorify.cli import app
from lorify.commands.training.train import load_training_config
from lorify.errors import ConfigError
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training import registry


def test_keys_of_lorify_0_1_still_load(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"start_from": "hypernetwork", "optimization": {"keep_weight": 0.5}}))
    config = load_training_config(path, [])
    assert isinstance(config, AssociativeTrainingConfig)
    assert (str(config.init_from), config.optimization.preservation_kl_weight) == ("hypernetwork", 0.5)


@pytest.mark.parametrize("key", ["optimization.keep_weight", "optimization.preservation_kl_weight"])
@pytest.mark.parametrize("in_file", ["keep_weight", "preservation_kl_weight"])
def test_a_setting_replaces_a_value_under_its_old_or_new_name(tmp_path, key, in_file):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"optimization": {in_file: 0.5}}))
    config = load_training_config(path, [f"{key}=0.25"])
    assert isinstance(config, AssociativeTrainingConfig)
    assert config.optimization.preservation_kl_weight == 0.25


def test_a_key_under_both_of_its_names_is_refused(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"start_from": "a", "init_from": "b"}))
    with pytest.raises(ConfigError, match="init_from is given twice"):
        load_training_config(path, [])


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(registry, "TRAINING_KINDS", dict(registry.TRAINING_KINDS))
    registry.register_training_kind(TOY)


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["train", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def test_a_kind_of_run_from_outside_of_lorify_is_trained_by_the_command(tmp_path, toy):
    (tmp_path / "run.json").write_text('{"kind": "toy"}')
    assert run(tmp_path / "run.json", "-o", tmp_path / "run").strip() == str(tmp_path / "run" / "best")
    weight = torch.load(tmp_path / "run" / "best" / "number.pt", weights_only=True)["weight"]
    assert 0.1 < weight.item() < 0.25  # two steps of AdamW at a rate of 0.1 or less
    assert json.loads((tmp_path / "run" / "best.json").read_text())["step"] == 2


def test_a_kind_of_run_from_outside_of_lorify_lists_its_defaults(toy):
    listing = run("--defaults", "--kind", "toy")
    assert "a number, in number.pt" in listing and "target=3.0" in listing
    assert json.loads(run("--defaults", "--kind", "toy", "--json"))["target"] == 3.0


def test_a_name_is_registered_once(toy):
    with pytest.raises(ConfigError, match="there is already a kind of training run 'toy'"):
        registry.register_training_kind(TOY)


@pytest.mark.parametrize("name", registry.TRAINING_KINDS)
def test_every_kind_is_registered_under_its_own_name_and_has_defaults(name):
    kind = registry.find_training_kind(name)
    assert kind.name == name == kind.config.model_fields["kind"].default
    assert kind.output


def test_a_dry_run_names_the_kinds_it_can_estimate(tmp_path, toy):
    (tmp_path / "run.json").write_text('{"kind": "toy"}')
    line = run(tmp_path / "run.json", "--dry-run", code=2)
    assert "cannot estimate runs of kind toy, only of kind associative, reader, perceiver, task," in line


@pytest.mark.parametrize("name", registry.TRAINING_KINDS)
def test_every_kind_of_lorify_can_be_estimated(name):
    assert registry.find_training_kind(name).dry_run is not None


def test_a_list_is_to_be_written_as_json(tmp_path):
    (tmp_path / "run.json").write_text('{"kind": "task"}')
    with pytest.raises(ConfigError, match=r"write it as JSON, such as \[\"q_proj\", \"v_proj\"\]"):
        load_training_config(tmp_path / "run.json", ["hypernetwork.modules=q_proj,v_proj"])


def test_the_help_of_train_explains_every_kind():
    shown = CliRunner().invoke(app, ["train", "--help"]).output
    assert not [name for name in registry.TRAINING_KINDS if f"{name} (" not in " ".join(shown.split())]
