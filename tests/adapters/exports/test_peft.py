import json
import math
import os
import tempfile
from pathlib import Path

import peft
import pytest
import torch
from adapters.random_adapters import KEYS, assert_same, logits_with, random_adapter
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from tiny import tiny_base, tiny_model

from lorify.adapters import AdapterStack, LoraPair, build_lora_batch, export_peft, import_peft
from lorify.adapters.exports.peft import peft_base_name
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.loading import load_base
from lorify.errors import AdapterError

# PEFT asks transformers by a name that is being retired.

GRID = tuple((layer, module) for layer in (0, 1) for module in ("down_proj", "q_proj"))


def ours(base, adapter):
    return logits_with(base, build_lora_batch([adapter], base))


def peft_logits(family, folder):
    """Logits with a fresh base of the same weights, the adapter loaded by PEFT."""
    model = peft.PeftModel.from_pretrained(tiny_model(family), folder).eval()
    input_ids = torch.randint(3, 272, (1, 9), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        return model(input_ids=input_ids).logits


def edit_config(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def exported(base, tmp_path):
    folder = tmp_path / "exported"
    export_peft(random_adapter(base), base, folder)
    return folder


@pytest.mark.parametrize("keys", [KEYS, GRID, ((1, "down_proj"),)], ids=["ranks differ", "grid", "one block"])
def test_peft_gives_the_same_logits(any_base, tmp_path, keys):
    adapter = random_adapter(any_base, keys=keys, lora_alpha=5.5)
    export_peft(adapter, any_base, tmp_path / "exported")
    family = any_base.name.removeprefix("tiny-")
    want = ours(any_base, adapter)
    torch.testing.assert_close(peft_logits(family, tmp_path / "exported"), want, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(want, logits_with(any_base, None), atol=1e-2)


def test_the_model_card_asks_as_lorify_does(base_dir, tmp_path, monkeypatch, capsys):
    base = load_base(str(base_dir))
    adapter = random_adapter(base)
    export_peft(adapter, base, tmp_path / "exported", base_name=str(base_dir))
    card = (tmp_path / "exported" / "README.md").read_text()
    snippet = card.split("```python\n")[1].split("```")[0].replace("max_new_tokens=32", "max_new_tokens=5")
    monkeypatch.chdir(tmp_path / "exported")
    exec(snippet, {})
    answerer = Answerer(base)
    plan = answerer.plan_query(Query("Who founded the museum?", AdapterStack.of(adapter)))
    (answer,) = answerer.answer([plan], GenerationOptions(5))
    assert capsys.readouterr().out.strip() == answer.text
    assert "from 1 document of 10 tokens" in card
    assert adapter.provenance.documents[0].name not in card, "names of documents are not published"


def test_exports_name_their_base_by_its_hub_id_and_are_imported_by_its_short_name(base, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "name", "smollm2-135m")
    export_peft(random_adapter(base), base, tmp_path / "exported")
    stored = json.loads((tmp_path / "exported" / "adapter_config.json").read_text())
    assert stored["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert peft_base_name(tmp_path / "exported") == "smollm2-135m"
    card = (tmp_path / "exported" / "README.md").read_text()
    assert "base = 'HuggingFaceTB/SmolLM2-135M-Instruct'" in card and "Offline" in card and "resolve_base" in card


def test_many_modules_of_few_blocks_touch_no_other_block(tmp_path):
    # PEFT shortens long lists of targets; block 1 and block 11 must not be mistaken for each other.
    base = tiny_base("llama", num_layers=12)
    keys = tuple((layer, "down_proj") for layer in (1, *range(3, 12))) + tuple((layer, "q_proj") for layer in range(11))
    adapter = random_adapter(base, keys=keys)
    export_peft(adapter, base, tmp_path / "exported")
    model = peft.PeftModel.from_pretrained(tiny_model("llama", num_layers=12), tmp_path / "exported").eval()
    input_ids = torch.randint(3, 272, (1, 9), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=input_ids).logits, ours(base, adapter), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_import_of_an_export_is_the_same_adapter(any_base, tmp_path, dtype):
    adapter = random_adapter(any_base, dtype=dtype, lora_alpha=7.3)
    export_peft(adapter, any_base, tmp_path / "exported")
    assert_same(import_peft(tmp_path / "exported", any_base), adapter)
    assert sorted(os.listdir(tmp_path / "exported")) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@settings(max_examples=15, deadline=None)
@given(
    st.sets(st.tuples(st.integers(0, 1), st.sampled_from(["q_proj", "o_proj", "up_proj", "down_proj"])), min_size=1),
    st.integers(1, 9),
    st.floats(0.0625, 1024, width=32),
    st.integers(0, 100),
)
def test_import_undoes_export_whatever_is_adapted(base, keys, rank, lora_alpha, seed):
    adapter = random_adapter(base, seed, rank=rank, keys=tuple(sorted(keys)), lora_alpha=lora_alpha)
    with tempfile.TemporaryDirectory() as folder:
        export_peft(adapter, base, Path(folder) / "exported")
        assert_same(import_peft(Path(folder) / "exported", base), adapter)


@pytest.mark.parametrize(
    "extra",
    [
        {"r": 4, "lora_alpha": 6},
        {"r": 4, "lora_alpha": 6, "use_rslora": True},
        {"r": 4, "lora_alpha": 6, "use_rslora": True, "rank_pattern": {"q_proj": 9}},
        {"r": 4, "rank_pattern": {"layers.1.mlp.down_proj": 2}, "alpha_pattern": {r"layers\.\d\.self_attn.q_proj": 3}},
    ],
    ids=["plain", "rslora", "rslora with ranks", "patterns"],
)
def test_adapters_saved_by_peft_are_imported(base, tmp_path, extra):
    torch.manual_seed(1)
    config = peft.LoraConfig(
        target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type=peft.TaskType.CAUSAL_LM, **extra
    )
    peft.get_peft_model(tiny_model("llama"), config).save_pretrained(tmp_path)
    adapter = import_peft(tmp_path, base)
    torch.testing.assert_close(ours(base, adapter), peft_logits("llama", tmp_path), atol=1e-4, rtol=1e-4)
    assert adapter.provenance.hypernetwork == "imported from PEFT"


def test_rslora_becomes_a_larger_alpha_and_leaves_the_weights(exported, base):
    before = import_peft(exported, base)
    edit_config(exported, use_rslora=True)
    one_rank = {
        name: x for name, x in load_file(exported / "adapter_model.safetensors").items() if "q_proj" not in name
    }
    save_file(one_rank, exported / "adapter_model.safetensors")
    after = import_peft(exported, base)
    assert after.lora_alpha == pytest.approx(8 * math.sqrt(4))
    assert torch.equal(after.weights[0, "down_proj"].B, before.weights[0, "down_proj"].B)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"lora_bias": True}, "lora_bias"),
        ({"bias": "all"}, "bias='all'"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"target_parameters": ["x"]}, "target_parameters"),
        ({"an_invention_of_next_year": True}, "an_invention_of_next_year"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"r": "many"}, "r is 'many'"),
        ({"r": 3}, "has rank 4, but adapter_config.json says 3"),
        ({"alpha_pattern": {"(": 3}}, "alpha_pattern is damaged"),
        ({"rank_pattern": [1]}, "rank_pattern is damaged"),
    ],
)
def test_what_is_not_plain_lora_is_refused_by_name(exported, base, changes, named):
    edit_config(exported, **changes)
    with pytest.raises(AdapterError) as caught:
        import_peft(exported, base)
    assert named in str(caught.value)


def test_pickles_are_not_opened(exported, base):
    (exported / "adapter_model.safetensors").rename(exported / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"pickle.*save it again as safetensors"):
        import_peft(exported, base)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damage_is_noticed(exported, base, name, damage):
    content = (exported / name).read_bytes()
    (exported / name).unlink() if damage == "missing" else (exported / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(AdapterError, match=str(exported)):
        import_peft(exported, base)


def test_tensors_that_fit_no_module_are_never_passed_over(exported, base):
    tensors = load_file(exported / "adapter_model.safetensors")
    stray = "base_model.model.model.layers.7.mlp.down_proj"
    pair = {f"{stray}.lora_A.weight": torch.zeros(4, 96), f"{stray}.lora_B.weight": torch.zeros(48, 4)}
    save_file(tensors | pair, exported / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"layers\.7.*does not fit any linear layer"):
        import_peft(exported, base)
    half = {name: x for name, x in tensors.items() if not name.endswith("0.mlp.down_proj.lora_B.weight")}
    save_file(half, exported / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"lora_B of .* is missing"):
        import_peft(exported, base)
    save_file({}, exported / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="is empty"):
        import_peft(exported, base)


def test_an_export_for_another_base_is_refused(exported, base):
    with pytest.raises(AdapterError, match="made for tiny-llama"):
        import_peft(exported, tiny_base("mistral"))
    with pytest.raises(AdapterError, match="made for tiny-llama"):
        export_peft(random_adapter(base), tiny_base("mistral"), exported)


def test_a_broken_adapter_is_not_exported(exported, base):
    before = (exported / "adapter_model.safetensors").read_bytes()
    broken = random_adapter(base)
    key = (0, "down_proj")
    A = broken.weights[key].A.clone()
    A[0, 0] = math.nan
    weights = {**broken.weights, key: LoraPair(A, broken.weights[key].B)}
    with pytest.raises(AdapterError, match="NaN or infinite values"):
        export_peft(type(broken)(weights, broken.lora_alpha, broken.provenance), base, exported)
    assert (exported / "adapter_model.safetensors").read_bytes() == before
    assert os.listdir(exported.parent) == ["exported"]


@pytest.fixture
def misunderstood(monkeypatch):
    """PEFT loads every adapter with 8 times its scale, which only the probe through PEFT can notice."""
    load = peft.PeftModel.from_pretrained

    def load_scaled(*args, **options):
        adapted = load(*args, **options)
        for module in adapted.modules():
            if isinstance(module, LoraLayer):
                module.set_scale("default", 8)
        return adapted

    monkeypatch.setattr(peft.PeftModel, "from_pretrained", load_scaled)


def test_an_export_that_peft_takes_for_another_adapter_is_refused(any_base, tmp_path, misunderstood):
    with pytest.raises(AdapterError, match="peft gives other logits"):
        export_peft(random_adapter(any_base), any_base, tmp_path / "exported")
    assert not list(tmp_path.iterdir())


def test_an_import_that_peft_takes_for_another_adapter_is_refused(exported, base, misunderstood):
    with pytest.raises(AdapterError, match="peft gives other logits"):
        import_peft(exported, base)


def test_the_probe_through_peft_leaves_the_base_as_it_was(base, tmp_path):
    before = logits_with(base, None)
    modules = [name for name, _ in base.model.named_modules()]
    export_peft(random_adapter(base), base, tmp_path / "exported")
    assert [name for name, _ in base.model.named_modules()] == modules
    assert torch.equal(logits_with(base, None), before)


def test_the_probe_allows_for_the_rounding_of_bfloat16(tmp_path):
    base = tiny_base("gemma3")
    base.model.to(torch.bfloat16)
    export_peft(random_adapter(base), base, tmp_path / "exported")
    assert (tmp_path / "exported" / "adapter_config.json").is_file()
