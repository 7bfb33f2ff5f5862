import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny_base
from training.measured_step import measure_step
from training.small_tasks import DATA, PLACED, silent

from lorify.base.files.locate import DEFAULT_BASE
from lorify.hypernets.system_prompt.key_values import FILE_NAME as KEY_VALUES_NAME
from lorify.hypernets.system_prompt.kind import SYSTEM_PROMPT
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.shipped import shipped_task_hypernetwork
from lorify.training.preparation import Preparation
from lorify.training.tasks.system_prompt import prepare_system_message
from lorify.training.tasks.system_prompt_dry_run import dry_run_system_message


def run_in(folder, tasks_path, **data) -> SystemMessageTrainingConfig:
    sizes = {"tasks_path": str(tasks_path), "instances_per_description": 1} | data
    document = {"base": str(folder), "hypernetwork": PLACED, "data": DATA | sizes, "optimization": {"bf16": True}}
    return SystemMessageTrainingConfig.model_validate(document)


def test_the_cost_of_a_step_is_what_pytorch_measures(tmp_path, tasks_path):
    base = tiny_base(num_layers=8, vocab_size=6000, system_message=True)
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    config = run_in(tmp_path, tasks_path)
    objective = prepare_system_message(config, Preparation(tmp_path, lambda _name: base, silent))
    rows = objective.samplers["train"].build(0).rows
    longest = max(len(segment.prompt) + len(segment.answer) for row in rows for segment in row)
    answers = sum(len(segment.answer) for row in rows for segment in row)
    sized = run_in(tmp_path, tasks_path, max_instance_tokens=longest)
    stated = dry_run_system_message(sized, answer_share=answers / (longest * len(rows)))
    peak, flops = measure_step(objective)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == sum(p.numel() for p in objective.module.parameters())


def test_what_is_solved_in_closed_form_is_counted(monkeypatch):
    shipped = shipped_task_hypernetwork(DEFAULT_BASE)
    assert shipped is not None
    config = SYSTEM_PROMPT.load_config(shipped)
    monkeypatch.setattr("lorify.training.tasks.system_prompt_dry_run.NUM_SLOTS", config.num_slots)
    placed = {"written_layer": config.written_layer, "first_layer": min(config.layers), "rank": config.rank}
    document = {"base": DEFAULT_BASE, "hypernetwork": placed}
    stated = dry_run_system_message(SystemMessageTrainingConfig.model_validate(document))
    solved = sum(tensor.numel() for tensor in load_file(shipped / KEY_VALUES_NAME).values())
    rows = config.num_slots * config.written_size
    assert stated.weights_bytes == 2 * stated.base_parameters + 4 * (solved + rows)
