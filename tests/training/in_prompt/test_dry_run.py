import pytest
import torch
from tiny import tiny_base
from training.measured_step import measure_step

from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.in_prompt.dry_run import BatchSize, dry_run_prompt
from lorify.training.in_prompt.objective import PromptObjective


def run_in(folder, facts: int = 3) -> PromptTrainingConfig:
    document = {
        "base": str(folder),
        "lora": {"modules": ["q_proj", "down_proj"], "rank": 4},
        "data": {"facts": facts, "questions_per_context": 2},
        "optimization": {"bf16": True},
    }
    return PromptTrainingConfig.model_validate(document)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_the_cost_of_a_step_is_what_pytorch_measures(family, tmp_path):
    base = tiny_base(family, num_layers=6, vocab_size=6000)
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    base.model.set_attn_implementation("eager")
    config = run_in(tmp_path)
    objective = PromptObjective(config, base, [], [])
    read, answered = [], []
    handles = [
        base.decoder.register_forward_hook(lambda _m, _a, output: read.append(output.last_hidden_state.shape)),
        base.model.get_output_embeddings().register_forward_hook(lambda _m, args, _o: answered.append(len(args[0]))),
    ]
    objective.loss(0)
    for handle in handles:
        handle.remove()
    rows, tokens, _ = read[0]
    stated = dry_run_prompt(config, size=BatchSize(rows, tokens, answered[0] // rows))
    peak, flops = measure_step(objective)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == sum(p.numel() for p in objective.module.parameters())


def test_estimates_follow_the_config(tmp_path):
    tiny_base("gemma2").model.config.save_pretrained(tmp_path)
    one, two = (dry_run_prompt(run_in(tmp_path, facts=count)) for count in (2, 4))
    assert two.activation_bytes == pytest.approx(2 * one.activation_bytes, rel=0.1)
    assert two.hours == pytest.approx(2 * one.hours, rel=0.01)
