import json
import os

import pytest
import torch
from adapters.random_adapters import logits_with, random_adapter
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_base
from transformers import AutoModelForCausalLM, AutoTokenizer

from lorify.adapters import AdapterStack, build_lora_batch, merge_adapters, merge_into_base
from lorify.adapters.merging import MERGE_RECORD_NAME, check_merge_output
from lorify.errors import AdapterError

PARTS = st.lists(
    st.tuples(
        st.builds(
            dict,
            seed=st.integers(0, 50),
            rank=st.integers(1, 4),
            lora_alpha=st.floats(0.5, 20),
            shared_seed=st.sampled_from([None, 3]),
            keys=st.sampled_from([((0, "down_proj"),), ((0, "down_proj"), (1, "q_proj"))]),
        ),
        st.floats(-2, 2),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(parts=PARTS)
def test_a_merged_adapter_is_the_sum_of_its_parts(base, parts):
    adapters = [(random_adapter(base, **part), scale) for part, scale in parts]
    merged = merge_adapters(adapters)
    assert merged.weights.keys() == {key for adapter, _ in adapters for key in adapter.weights}
    for key, pair in merged.weights.items():
        want = sum(
            scale * adapter.scaling(key) * (adapter.weights[key].B @ adapter.weights[key].A)
            for adapter, scale in adapters
            if key in adapter.weights
        )
        torch.testing.assert_close(merged.scaling(key) * pair.B @ pair.A, want, atol=1e-4, rtol=1e-4)


def test_ranks_stack_and_alpha_grows_with_them(base):
    a, b = (random_adapter(base, seed, keys=((0, "down_proj"),), lora_alpha=8.0) for seed in (1, 2))
    merged = merge_adapters([(a, 1.0), (b, 1.0)])
    assert merged.rank == 8
    assert merged.lora_alpha == 16.0
    assert torch.equal(merged.weights[0, "down_proj"].B[:, :4], a.weights[0, "down_proj"].B)
    assert [record.name for record in merged.provenance.documents] == ["document-1-0.txt", "document-2-0.txt"]
    assert merged.statistics is None


def test_adapters_that_share_A_keep_their_rank(base):
    a, b = (random_adapter(base, seed, keys=((0, "down_proj"),), shared_seed=5) for seed in (1, 2))
    merged = merge_adapters([(a, 1.0), (b, 1.0)])
    assert merged.rank == 4
    assert merged.lora_alpha == a.lora_alpha
    key = (0, "down_proj")
    torch.testing.assert_close(merged.weights[key].B, a.weights[key].B + b.weights[key].B)


def test_merging_needs_adapters_of_one_base(base):
    with pytest.raises(AdapterError, match="no adapter to merge"):
        merge_adapters([])
    with pytest.raises(AdapterError, match="tiny-llama and tiny-qwen3 cannot be merged"):
        merge_adapters([(random_adapter(base), 1.0), (random_adapter(tiny_base("qwen3")), 1.0)])


def test_a_merged_base_answers_like_the_adapted_one(any_base, tmp_path):
    rows = [(random_adapter(any_base, 1), 1.0), (random_adapter(any_base, 2), -0.5)]
    bare = logits_with(any_base, None)
    merge_into_base(any_base, rows, tmp_path / "merged")
    assert len({path.stat().st_mode for path in (tmp_path / "merged").iterdir()}) == 1, "files of different permissions"
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval().to(any_base.device)
    input_ids = torch.randint(3, 272, (1, 9), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        got = merged(input_ids=input_ids).logits
    torch.testing.assert_close(
        got, logits_with(any_base, build_lora_batch([AdapterStack(tuple(rows))], any_base)), atol=1e-4, rtol=1e-4
    )
    assert torch.equal(logits_with(any_base, None), bare)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert tokenizer.chat_template == any_base.tokenizer.chat_template
    assert tokenizer("a b").input_ids == any_base.tokenizer("a b").input_ids


def test_a_merged_base_has_the_dtype_of_the_base(tmp_path):
    base = tiny_base("llama")
    base.model.to(torch.bfloat16)
    merge_into_base(base, random_adapter(base), tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert merged.dtype == torch.bfloat16
    assert {x.dtype for x in merged.parameters()} == {torch.bfloat16}


def test_a_merge_never_overwrites(base, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"config\.json"):
        merge_into_base(base, random_adapter(base), tmp_path)
    with pytest.raises(AdapterError, match="made for tiny-gemma3"):
        merge_into_base(base, random_adapter(tiny_base("gemma3")), tmp_path / "merged")
    assert os.listdir(tmp_path) == ["config.json"]


def test_an_earlier_merged_model_is_replaced_and_nothing_else(base, tmp_path):
    folder = tmp_path / "merged"
    merge_into_base(base, random_adapter(base), folder)
    before = (folder / "model.safetensors").read_bytes()
    merge_into_base(base, [(random_adapter(base), 0.5)], folder)
    assert (folder / "model.safetensors").read_bytes() != before
    assert json.loads((folder / MERGE_RECORD_NAME).read_text())["adapters"][0]["scale"] == 0.5
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(AdapterError, match=r"'notes.txt', which lorify did not write"):
        check_merge_output(folder)
    (folder / "notes.txt").unlink()
    check_merge_output(folder)
    with pytest.raises(AdapterError, match="is the base that is merged into"):
        check_merge_output(folder, base=f"{tmp_path}/./merged")
    (folder / MERGE_RECORD_NAME).unlink()  # now it may be a model of the user's own
    with pytest.raises(AdapterError, match="which lorify did not write"):
        merge_into_base(base, random_adapter(base), folder)
    assert os.listdir(tmp_path) == ["merged"]


def test_a_merged_base_without_the_adapter_is_refused(any_base, tmp_path, monkeypatch):
    save = any_base.model.save_pretrained
    monkeypatch.setattr(any_base.model, "save_pretrained", lambda folder, state_dict: save(folder))
    with pytest.raises(AdapterError, match="the merged model gives other logits"):
        merge_into_base(any_base, random_adapter(any_base), tmp_path / "merged")
    assert not list(tmp_path.iterdir())
