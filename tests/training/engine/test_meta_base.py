import json
from itertools import accumulate

import pytest
import torch
from tiny import tiny_base
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lorify.base.lora import LoraTensors
from lorify.errors import BaseModelError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.training.engine.meta_base import StepShape, meta_model
from lorify.training.engine.packing import Segment
from lorify.training.tasks.scoring import answer_rows

ROWS, PROMPT, ANSWER, RANK = 3, 140, 60, 4


def measured(base, modules, layers) -> tuple[int, int]:
    """Peak of what PyTorch allocates in a training step of a real base, and its operations."""
    rows = [[Segment(tuple(range(3 + row, 3 + row + PROMPT)), (5,) * ANSWER)] for row in range(ROWS)]

    def learned(*size):
        return torch.zeros(ROWS, *size, requires_grad=True)

    lora = {
        (layer, m.name): LoraTensors(learned(RANK, m.in_features), learned(RANK, m.out_features))
        for layer in layers
        for m in modules
    }

    def step() -> None:
        answer_rows(base, rows, lora, bf16=True, label_smoothing=0.1).loss.mean().backward()

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    with FlopCounterMode(display=False) as operations:
        step()
    return max(accumulate(event.nbytes() for event in events)), operations.get_total_flops()


@pytest.mark.parametrize(("family", "first_layer"), [("llama", 0), ("gemma2", 0), ("gemma2", 2)])
def test_the_cost_of_a_step_is_what_pytorch_measures_with_eager_attention_and_a_large_vocabulary(
    tmp_path, family, first_layer
):
    base = tiny_base(family, num_layers=8, vocab_size=6000)
    base.model.to(torch.bfloat16).save_pretrained(tmp_path)
    base.model.set_attn_implementation("eager")
    layers = range(first_layer, 8)
    modules = adapted_modules(base, layers, ("q_proj", "v_proj"))
    shape = StepShape(
        rows=ROWS, tokens=PROMPT + ANSWER, answers=ANSWER, adapters=ROWS, layers=layers, modules=modules, rank=RANK
    )
    stated = meta_model(str(tmp_path), attention="eager").step_cost(shape)
    peak, flops = measured(base, modules, layers)
    assert stated.peak_bytes == pytest.approx(peak, rel=0.15)
    assert stated.flops == pytest.approx(flops, rel=0.1)


def test_a_folder_needs_nothing_but_a_config(tmp_path):
    tiny_base("gemma2").model.config.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert meta_model(str(tmp_path)).num_parameters == sum(p.numel() for p in tiny_base("gemma2").model.parameters())


def test_a_config_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "of no kind"}))
    with pytest.raises(BaseModelError, match=r"config of base model .* cannot be read"):
        meta_model(str(tmp_path))
