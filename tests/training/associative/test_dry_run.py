import pytest
import torch
from tiny import tiny_base
from training.measured_step import measure_step
from training.tiny_associative_run import GENERAL, PASSAGE, TEXT, tiny_config

from lorify.errors import TrainingError
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.associative.batches import StepBuilder
from lorify.training.associative.dry_run import dry_run_associative
from lorify.training.associative.objective import AssociativeObjective
from lorify.training.associative.step_size import measure_step as size_of


def run_in(folder, **hypernetwork) -> AssociativeTrainingConfig:
    """A run on the base in a folder, with chunks and contexts that outweigh masks and indices."""
    config = tiny_config(bf16=True)
    data = config.data.model_copy(update={"niah_min_tokens": 350, "niah_max_tokens": 400})
    shape = {"first_layer": 1, "last_layer": 6, "chunk_tokens": 220, "rank": 32, "width": 32} | hypernetwork
    return config.model_copy(
        update={"base": str(folder), "data": data, "hypernetwork": config.hypernetwork.model_copy(update=shape)}
    )


@pytest.mark.parametrize(
    "family, last_layer",
    [
        pytest.param("gemma2", 2, id="blocks above"),
        pytest.param("gemma2", 6, id="to the last block", marks=pytest.mark.slow),
        pytest.param("llama", 6, id="fused attention", marks=pytest.mark.slow),
    ],
)
def test_the_cost_of_a_step_is_what_pytorch_measures(family, last_layer, tmp_path):
    base = tiny_base(family, num_layers=7, vocab_size=6000)
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    config = run_in(tmp_path, last_layer=last_layer)
    builder = StepBuilder(config, base, passages=[PASSAGE], texts=[TEXT], general=[GENERAL])
    objective = AssociativeObjective(config, base, train_steps=builder, heldout_steps=builder)
    stated = dry_run_associative(config, size=size_of(builder.build(0)))
    peak, flops = measure_step(objective)
    assert stated.activation_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops_a_step == pytest.approx(flops, rel=0.15)
    assert stated.hypernetwork_parameters == sum(p.numel() for p in objective.module.parameters())


def test_estimates_follow_the_config(tmp_path):
    tiny_base("gemma2", num_layers=7).model.config.save_pretrained(tmp_path)
    config = run_in(tmp_path)
    one = dry_run_associative(config)
    more = config.model_copy(update={"data": config.data.model_copy(update={"facts": 4, "niah": 4})})
    assert dry_run_associative(more).activation_bytes > 2 * one.activation_bytes
    focused = config.model_copy(update={"data": config.data.model_copy(update={"focus_probability": 1.0})})
    assert dry_run_associative(focused).activation_bytes > one.activation_bytes  # an adapter for each question
    assert one.training_bytes == one.weights_bytes + one.training_state_bytes + one.activation_bytes


def test_a_module_that_does_not_write_into_the_hidden_states_is_named(tmp_path):
    tiny_base(num_layers=7).model.config.save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="does not write into the hidden states"):
        dry_run_associative(run_in(tmp_path, module="up_proj"))
