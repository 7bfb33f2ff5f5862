import json

import pytest
import torch
from hypernets.system_prompt.test_network import BASE, fitted, shape_for
from hypernets.text_to_lora.test_network import build, small_config
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lorify.cli import app
from lorify.errors import HypernetworkError
from lorify.hypernets.averaging import average_hypernetworks
from lorify.hypernets.checkpoint import WEIGHTS_NAME
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA


def saved(folder, seed, **fields):
    config = shape_for(BASE, **fields)
    hypernetwork = fitted(config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in hypernetwork.parameters():
            parameter.normal_()
    SYSTEM_PROMPT.save(folder, config, hypernetwork)
    return folder


def weights(folder):
    return SYSTEM_PROMPT.load(folder)[1].state_dict()


@settings(max_examples=5, deadline=None)
@given(seeds=st.lists(st.integers(0, 100), min_size=2, max_size=3), data=st.data())
def test_a_mean_is_that_of_the_weights_in_whatever_order(tmp_path_factory, seeds, data):
    work = tmp_path_factory.mktemp("mean")
    folders = [saved(work / str(number), seed) for number, seed in enumerate(seeds)]
    average_hypernetworks(data.draw(st.permutations(folders)), work / "mean")
    found, each = weights(work / "mean"), [weights(folder) for folder in folders]
    for name, tensor in found.items():
        wanted = torch.stack([one[name] for one in each]).mean(0)
        torch.testing.assert_close(tensor, wanted, rtol=0, atol=wanted.abs().max().item() / 127)
    torch.testing.assert_close(found["slot_A"], each[0]["slot_A"])


def test_the_command_averages_hypernetworks_of_descriptions_embeddings_too(tmp_path):
    for name in ("one", "two"):
        TEXT_TO_LORA.save(tmp_path / name, small_config(), build(small_config()), exact=True)
    folders = [str(tmp_path / name) for name in ("one", "two")]
    result = CliRunner().invoke(app, ["average", *folders, "-o", str(tmp_path / "mean"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"hypernetwork": str(tmp_path / "mean"), "averaged": folders}
    assert TEXT_TO_LORA.load(tmp_path / "mean")[0] == small_config()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda folder: saved(folder, 1, rank=3), "differ in rank; average those of one config"),
        (lambda folder: saved(folder, 1, lora_alpha=8.0), "differ in lora_alpha"),
        (
            lambda folder: TEXT_TO_LORA.save(folder, small_config(), build(small_config())),
            "of kind task, expected system_message",
        ),
        (lambda folder: (saved(folder, 1) / WEIGHTS_NAME).unlink(), f"{WEIGHTS_NAME} is missing"),
        (lambda folder: None, "is missing"),
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_written(tmp_path, second, message):
    saved(tmp_path / "one", 0)
    second(tmp_path / "two")
    with pytest.raises(HypernetworkError, match=message):
        average_hypernetworks([tmp_path / "one", tmp_path / "two"], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_one_alone_has_no_mean(tmp_path):
    with pytest.raises(HypernetworkError, match="give two or more"):
        average_hypernetworks([saved(tmp_path / "one", 0)], tmp_path / "mean")
