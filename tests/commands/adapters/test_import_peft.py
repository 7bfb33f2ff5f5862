"""PEFT adapters become adapter folders through the command line."""

import peft
import pytest
import torch
from bad_input_helpers import run
from tiny import tiny_model, tiny_tokenizer

from lorify.adapters.storage import load_adapter


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "tiny-llama"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def saved_by_peft(folder, *, name="default", **options):
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, **options)
    model = peft.get_peft_model(tiny_model(), config, adapter_name=name)
    generator = torch.Generator().manual_seed(0)
    for path, weight in model.named_parameters():
        if "lora_B" in path:
            weight.data.normal_(std=0.05, generator=generator)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": ["q_proj"], "use_rslora": True, "lora_alpha": 16},
        {"target_modules": "all-linear"},
        {"target_modules": ["q_proj"], "layers_to_transform": [0]},
        {
            "target_modules": ["q_proj", "down_proj"],
            "rank_pattern": {"down_proj": 8},
            "alpha_pattern": {"down_proj": 32},
        },
        {"target_modules": ["q_proj"], "name": "french"},
    ],
)
def test_plain_lora_is_imported(tmp_path, base_dir, options):
    folder = saved_by_peft(tmp_path / "peft", **options)
    result = run("import", folder, "-o", tmp_path / "out", "--base", base_dir)
    assert result.exit_code == 0, result.output
    assert load_adapter(tmp_path / "out").provenance.base_name == str(base_dir)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"target_modules": ["q_proj"], "use_dora": True}, "use_dora"),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"target_modules": ["q_proj"], "bias": "lora_only"}, "bias='lora_only'"),
        ({"target_modules": ["q_proj"], "init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"target_modules": ["q_proj"], "init_lora_weights": "olora"}, "init_lora_weights='olora'"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens"),
        ({"target_modules": ["q_proj"], "trainable_token_indices": [1, 2]}, "trainable_token_indices"),
    ],
)
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_other_kinds_are_refused_by_name(tmp_path, base_dir, options, named):
    folder = saved_by_peft(tmp_path / "peft", **options)
    result = run("import", folder, "-o", tmp_path / "out", "--base", base_dir)
    assert result.exit_code == 2 and named in result.stderr and not (tmp_path / "out").exists()


def test_several_named_adapters_are_listed(tmp_path, base_dir):
    for name in ("french", "german"):
        saved_by_peft(tmp_path / "peft", name=name, target_modules=["q_proj"])
    result = run("import", tmp_path / "peft", "-o", tmp_path / "out", "--base", base_dir)
    assert result.exit_code == 2 and "(french, german); give one of these folders" in result.stderr


def test_an_adapter_without_a_base_needs_one(tmp_path):
    folder = saved_by_peft(tmp_path / "peft", target_modules=["q_proj"])
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace('"base_model_name_or_path"', '"auto_mapping"'))
    result = run("import", folder, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "does not name its base; give it with --base" in result.stderr


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    result = run("import", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "or a PEFT adapter" in result.stderr
