import pytest
import torch
from pydantic import ValidationError
from training.tiny_associative_run import tiny_config, trainer

from lorify.errors import TrainingError
from lorify.hypernets.associative.training_config import AssociativeSettings


def test_a_run_starts_with_the_weights_it_shares_with_an_earlier_hypernetwork(tmp_path):
    plain = tiny_config()
    old = trainer(tmp_path / "old", plain).objective
    old.save_best(tmp_path / "start")
    fewer = plain.hypernetwork.model_copy(update={"first_layer": 1})
    run = plain.model_copy(update={"hypernetwork": fewer, "init_from": tmp_path / "start"})
    new = trainer(tmp_path / "new", run).objective.module
    torch.testing.assert_close(new.query, old.module.query[1:], atol=1e-2, rtol=0)
    torch.testing.assert_close(new.surroundings.enter.weight, old.module.surroundings.enter.weight, atol=1e-2, rtol=0)


def test_a_start_of_another_size_is_refused(tmp_path):
    plain = tiny_config()
    trainer(tmp_path / "old", plain).objective.save_best(tmp_path / "start")
    wider = plain.hypernetwork.model_copy(update={"width": 32})
    run = plain.model_copy(update={"hypernetwork": wider, "init_from": tmp_path / "start"})
    with pytest.raises(TrainingError, match=r"set hypernetwork as in its config\.json"):
        trainer(tmp_path / "new", run)


def test_settings_of_lorify_0_1_load_without_reading_modules():
    old = {"rank": 4, "reading_first_layer": 0, "reading_last_layer": 3, "reading_modules": [], "reading_rank": 8}
    assert AssociativeSettings.model_validate(old) == AssociativeSettings(rank=4)
    with pytest.raises(ValidationError, match=r"reading_modules was removed in lorify 0\.2"):
        AssociativeSettings.model_validate(old | {"reading_modules": ["q_proj"]})
