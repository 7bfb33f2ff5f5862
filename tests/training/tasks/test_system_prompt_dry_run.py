import pytest
import torch
from tiny import tiny_base
from training.measured_step import measure_step
from training.small_tasks import DATA, PLACED, silent

from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
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
