import json
from pathlib import Path

import pytest
from tiny import tiny_base
from training.measured_step import measure_step
from training.small_tasks import SHAPE, silent
from typer.testing import CliRunner

from lorify.cli import app
from lorify.commands.settings import apply_settings
from lorify.hypernets.text_to_lora.library import Library, save_library
from lorify.hypernets.text_to_lora.training_config import ReconstructionTrainingConfig, TaskSettings, TaskTrainingConfig
from lorify.training.lora_weights import copy_to_adapter, new_table
from lorify.training.preparation import Preparation
from lorify.training.registry import find_training_kind, load_training_config
from lorify.training.tasks.dry_run import dry_run_reconstruction, dry_run_task
from lorify.training.tasks.reconstruction import prepare_reconstruction

CONFIG_DIR = Path(__file__).parents[3] / "configs" / "t2l"


def test_a_published_recipe_is_estimated_without_weights():
    found = dry_run_task(load_training_config(CONFIG_DIR / "mistral-7b-instruct-v0.2-sft-L.json"))
    assert round(found.base_parameters / 1e6) == 7242 and round(found.hypernetwork_parameters / 1e6, 2) == 55.42
    assert found.training_bytes == found.weights_bytes + found.training_state_bytes + found.activation_bytes
    assert found.training_bytes < 80 * 2**30  # it was trained on one such device, in about five days
    assert 2 < found.hours / 24 < 8


def test_a_run_on_a_folder_with_a_config_alone(tmp_path):
    base = tiny_base("gemma2")
    base.model.config.save_pretrained(tmp_path)
    document = {"base": str(tmp_path), "hypernetwork": SHAPE, "data": {"tasks_per_batch": 2, "max_instance_tokens": 64}}
    small = dry_run_task(TaskTrainingConfig.model_validate(document))
    assert small.base_parameters == sum(p.numel() for p in base.model.parameters())
    document["data"] = {"tasks_per_batch": 4, "max_instance_tokens": 64}
    large = dry_run_task(TaskTrainingConfig.model_validate(document))
    assert large.activation_bytes == pytest.approx(2 * small.activation_bytes, rel=0.1)
    assert large.flops_a_step == pytest.approx(2 * small.flops_a_step, rel=0.01)


def test_libraries_and_their_reconstruction_are_estimated_without_data():
    def estimate(recipe: str, *changes: str):
        path = CONFIG_DIR / f"gemma-2-2b-it-{recipe}.json"
        config = load_training_config(path, lambda document: apply_settings(document, changes))
        return find_training_kind(config.kind).dry_run(config)

    one = 26 * 8 * (2304 + 2048 + 2304 + 1024)  # A and B of q_proj and v_proj in every block
    assert estimate("multi-task").hypernetwork_parameters == one
    assert estimate("library-479").hypernetwork_parameters == 479 * one
    assert estimate("library-9", "data.max_tasks=9").hypernetwork_parameters == 9 * one
    described, numbered = (estimate("reconstruction-9", *c) for c in ((), ("hypernetwork.embedder=one_hot",)))
    # The task encoder reads 1,024 numbers or as many as there are tasks: four, as there is no library yet.
    assert described.hypernetwork_parameters - numbered.hypernetwork_parameters == (1024 - 4) * 64
    assert described.flops_a_step < 1e-2 * estimate("sft-M").flops_a_step  # the base is not run


@pytest.mark.parametrize("target", ["z_scores", "delta_w"])
def test_the_cost_of_reconstructing_a_library_is_what_pytorch_measures(target, tmp_path):
    base = tiny_base(num_layers=8)
    base.model.save_pretrained(tmp_path / "base")
    settings = TaskSettings.model_validate(SHAPE | {"rank": 8})
    tables = {f"task {seed}": new_table(settings, base, range(8), seed) for seed in range(16)}
    adapters = {name: copy_to_adapter(settings, range(8), table, base, name) for name, table in tables.items()}
    save_library(Library(adapters, {name: (f"Do {name}.",) for name in tables}), tmp_path / "library")
    document = {"base": str(tmp_path / "base"), "library": str(tmp_path / "library"), "target": target,
                "tasks_per_batch": 16, "hypernetwork": SHAPE | {"rank": 8}}  # fmt: skip
    config = ReconstructionTrainingConfig.model_validate(document)
    objective = prepare_reconstruction(config, Preparation(tmp_path, lambda _name: base, silent))
    stacks = [*objective.targets.values(), *objective.deviations.values()]
    before = sum(part.nbytes for stack in stacks for part in (stack.A, stack.B))
    stated = dry_run_reconstruction(config)
    peak, flops = measure_step(objective)
    assert stated.activation_bytes - before == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == objective.module.num_parameters


def test_on_the_command_line(tmp_path):
    path = str(CONFIG_DIR / "gemma-2-2b-it-sft-S.json")
    shown = CliRunner().invoke(app, ["train", path, "--dry-run", "--json"])
    assert shown.exit_code == 0 and round(json.loads(shown.stdout)["base_parameters"] / 1e6) == 2614
    refused = {
        "hypernetwork.modules=q_proj,v_proj": 'write it as JSON, such as ["q_proj", "v_proj"]',
        'hypernetwork.modules=["c_attn"]': "no 'c_attn'; it has down_proj",
        f"base={tmp_path}": "config.json",
        f"hypernetwork.embedder={tmp_path}": "config of description encoder",
    }
    for setting, message in refused.items():
        result = CliRunner().invoke(app, ["train", path, "--dry-run", "--set", setting])
        assert result.exit_code == 2 and message in result.stderr.replace("\n", " "), setting
