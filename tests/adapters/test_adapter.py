import pytest
import torch
from adapters.random_adapters import random_adapter
from pydantic import ValidationError
from tiny import tiny_base

from lorify.adapters import Adapter, LoraPair, Provenance
from lorify.errors import AdapterError


def test_scaling_is_alpha_over_the_rank_of_each_pair(base):
    adapter = random_adapter(base, rank=4, lora_alpha=8.0)
    assert adapter.scaling((0, "down_proj")) == 2.0
    assert adapter.scaling((1, "q_proj")) == pytest.approx(8 / 6)
    assert adapter.rank == 6


def test_num_bytes_counts_all_weights(base):
    adapter = random_adapter(base, rank=4, keys=((0, "down_proj"),))
    assert adapter.num_bytes == 4 * 4 * (96 + 48)
    assert adapter.to(torch.bfloat16).num_bytes == 2 * 4 * (96 + 48)


def test_foreign_base_is_refused_and_the_right_one_named(base):
    adapter = random_adapter(tiny_base("qwen3"))
    with pytest.raises(AdapterError, match=r"made for tiny-qwen3 .*loaded base is tiny-llama .*--base tiny-qwen3"):
        adapter.check_base(base)


@pytest.mark.parametrize(
    ("key", "d_in", "complaint"),
    [
        ((5, "down_proj"), 96, "no such linear layer"),
        ((0, "lm_head"), 96, "no such"),
        ((0, "down_proj"), 95, "95 to 48"),
    ],
)
def test_weights_that_fit_no_linear_layer_are_refused(base, key, d_in, complaint):
    provenance = random_adapter(base).provenance
    adapter = Adapter({key: LoraPair(torch.zeros(2, d_in), torch.zeros(48, 2))}, 2.0, provenance)
    with pytest.raises(AdapterError, match=complaint):
        adapter.check_base(base)


def test_parts_that_do_not_belong_together_are_refused(base):
    adapter = random_adapter(base, num_documents=2)
    with pytest.raises(AdapterError, match="do not match"):
        LoraPair(torch.zeros(2, 8), torch.zeros(2, 8))
    with pytest.raises(AdapterError, match="no weights"):
        Adapter({}, 1.0, adapter.provenance)
    with pytest.raises(AdapterError, match="lora_alpha is 0"):
        Adapter(adapter.weights, 0, adapter.provenance)
    with pytest.raises(AdapterError, match="statistics of 1 documents and records of 2"):
        Adapter(adapter.weights, 1.0, adapter.provenance, ({},))


def test_provenance_is_strict():
    known = {"base_name": "x", "base_digest": "y", "hypernetwork": "z", "lorify_version": "0"}
    assert Provenance.model_validate(known).created.endswith("+00:00")
    for wrong in ({"mood": "good"}, {"created": "yesterday"}, {"created": "2025-01-01T00:00:00"}):
        with pytest.raises(ValidationError):
            Provenance.model_validate(known | wrong)
