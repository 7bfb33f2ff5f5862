import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from devices import device_of_tests
from hypernets.authors_checkpoint import AuthorsCheckpoint
from tiny import tiny_base, tiny_model, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from typer.testing import CliRunner

from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.cli import app
from lorify.contexts.documents import document_from_text
from lorify.errors import BaseModelError, HypernetworkError
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_batch, merge_chunks
from lorify.hypernets.doc_to_lora.generation import load_context_encoder
from lorify.hypernets.doc_to_lora.importer import import_d2l
from lorify.hypernets.doc_to_lora.internalizer import PerceiverInternalizer

FIXTURES = sorted((Path(__file__).parents[4] / "shared" / "fixtures").glob("d2l_*"))
CONTEXT = [5, 40, 77, 12, 130, 9, 64]


def internalizer(folder: Path, base: BaseLM) -> PerceiverInternalizer:
    config, hypernetwork = import_d2l(folder, base)
    return PerceiverInternalizer(
        base, config, hypernetwork, folder.name, "digest", load_context_encoder(base, config.encoder)
    )


@pytest.mark.skipif(not FIXTURES, reason="the parity fixtures are not at hand")
@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: folder.name)
def test_generates_what_the_reference_implementation_does(folder):
    model = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32).to(device_of_tests())
    base = BaseLM(model, tiny_tokenizer(), name="fixture", digest="d")
    imported = internalizer(folder, base)
    about = json.loads((folder / "about.json").read_text())
    expected = {name: torch.tensor(x) for name, x in np.load(folder / "expected.npz").items()}
    lengths = expected["ctx_mask"].sum(1)
    rows = [ids[:n].tolist() for ids, n in zip(expected["ctx_ids"], lengths, strict=True)]
    generated = imported.generate(rows)
    with torch.no_grad():
        combined = merge_chunks(generated, about["n_ctx_chunks"], imported.hypernetwork.bias())
        for name in about["target_modules"]:
            for part in "AB":
                for weights, label in ((generated, "lora"), (combined, "combined")):
                    found = getattr(weights[name], part)
                    torch.testing.assert_close(found, expected[f"{label}.{name}.{part}"], rtol=0, atol=1e-5)
        with base.hooks.applied(as_lora_batch(combined, imported.config.scaling)):
            logits = model(expected["query_ids"]).logits
        base_logits = model(expected["query_ids"]).logits
    torch.testing.assert_close(logits, expected["logits"], rtol=0, atol=1e-4)
    torch.testing.assert_close(base_logits, expected["base_logits"], rtol=0, atol=1e-4)


VARIANTS = {
    "several modules": {"modules": ("up_proj", "q_proj", "down_proj")},
    "self-attention": {"self_attentions": 2},
    "shared weights": {"self_attentions": 1, "shared_weights": True, "num_blocks": 4},
    "one MLP for all blocks": {"per_layer": False, "residual_mlps": 2},
    "early exit": {"encoder": "early_exit", "modules": ("q_proj", "v_proj"), "rank": 2},
    "embeddings": {"encoder": "embed_only"},
}


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3", "gemma2"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_mean_what_the_description_says(family, variant, tmp_path):
    base = tiny_base(family, num_layers=3)
    theirs = AuthorsCheckpoint(base, **VARIANTS[variant])
    generated = internalizer(theirs.save(tmp_path), base).generate([CONTEXT])
    for module in theirs.modules:
        with torch.no_grad():
            A, B = theirs.adapter(CONTEXT, module)
        torch.testing.assert_close(generated[module].A[0], A, rtol=0, atol=1e-5)
        torch.testing.assert_close(generated[module].B[0], B, rtol=0, atol=1e-5)


def test_a_compiled_state_dict_and_earlier_settings(tmp_path):
    base = tiny_base("qwen3")
    theirs = AuthorsCheckpoint(base, residual_mlps=4)
    plain, _ = import_d2l(theirs.save(tmp_path / "new"), base)
    config, hypernetwork = import_d2l(theirs.save(tmp_path / "old", compiled=True, earlier=True), base)
    assert config == plain
    assert config.residual_mlps == 4
    torch.testing.assert_close(hypernetwork.head[:, 0], theirs.weights["head.weight"])


def test_chunk_length_and_last_checkpoint_come_from_the_run(tmp_path):
    base = tiny_base()
    theirs = AuthorsCheckpoint(base)
    theirs.save(tmp_path / "checkpoint-90")
    theirs.save(tmp_path / "checkpoint-100", lora_alpha=9.0)
    assert import_d2l(tmp_path, base)[0].scaling == 9.0
    arguments = "exp_setup: !!python/object/apply:ctx_to_lora.configs.ExperimentSetup\n- hyper_lora\n"
    (tmp_path / "args.yaml").write_text(arguments + "max_ctx_chunk_len: 48\n")
    assert import_d2l(tmp_path / "checkpoint-100" / "pytorch_model.bin", base)[0].chunk_tokens == 48
    (tmp_path / "args.yaml").write_text("max_ctx_chunk_len: -1\n")
    config, _ = import_d2l(tmp_path, base)
    affixes = len(config.encoder.prefix_ids) + len(config.encoder.suffix_ids)
    assert config.chunk_tokens == base.window_tokens - affixes


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [{path}]",
        "!!python/object/new:os.mkdir [{path}]",
        "!!python/object/apply:subprocess.call [[mkdir, {path}]]",
        "!!python/module:os",
        "!!python/name:os.mkdir",
    ],
)
def test_yaml_tags_in_the_arguments_run_nothing(tmp_path, tag):
    base = tiny_base()
    AuthorsCheckpoint(base).save(tmp_path)
    made = tmp_path / "made"
    (tmp_path / "args.yaml").write_text(f"exp_setup: {tag.format(path=made)}\nmax_ctx_chunk_len: 48\n")
    assert import_d2l(tmp_path, base)[0].chunk_tokens == 48
    assert not made.exists()


@pytest.mark.parametrize("value", ["[" * 5000, "!!bool maybe", "!!timestamp never", ".inf", "[1]", "many"])
def test_damaged_arguments_are_named(tmp_path, value):
    base = tiny_base()
    AuthorsCheckpoint(base).save(tmp_path)
    (tmp_path / "args.yaml").write_text(f"max_ctx_chunk_len: {value}\n")
    with pytest.raises(HypernetworkError, match=r"args\.yaml is damaged"):
        import_d2l(tmp_path, base)


def test_without_its_bias_adapter(tmp_path):
    base = tiny_base()
    _, hypernetwork = import_d2l(AuthorsCheckpoint(base).save(tmp_path, use_bias=False), base)
    assert hypernetwork.bias() is None


def test_what_stands_around_a_context_is_the_chat(tmp_path):
    base = tiny_base()
    encoder = import_d2l(AuthorsCheckpoint(base).save(tmp_path), base)[0].encoder
    # With an empty system turn, as their tokenization has it.
    assert base.tokenizer.decode(encoder.prefix_ids) == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
    assert base.tokenizer.decode(encoder.suffix_ids) == "<|im_end|>\n<|im_start|>assistant\n"


def word_encoder(folder: Path, *, num_layers: int) -> BaseLM:
    """Another model than any base here: deeper, and with a tokenizer of whole words."""
    words = ["<unk>", "<user>", "<end>", "<model>", "the", "mill", "has", "nine", "windows", "\u2603"]
    core = Tokenizer(models.WordLevel({word: i + 40 for i, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}<user> {{ m['content'] }} <end> {% endif %}{% endfor %}"
    )
    PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", chat_template=template + "<model>"
    ).save_pretrained(folder)
    tiny_model("gemma3", num_layers=num_layers).save_pretrained(folder)
    return load_base(str(folder), dtype=torch.float32)


@pytest.mark.parametrize(("kind", "layer_idx"), [("early_exit", None), ("early_exit", 3), ("embed_only", None)])
def test_another_context_encoder_has_its_own_tokenizer_and_depth(kind, layer_idx, tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    base, encoder = tiny_base("gemma2"), word_encoder(tmp_path / "encoder", num_layers=5)
    theirs = AuthorsCheckpoint(base, encoder=kind, layer_idx=layer_idx, encoder_model=encoder)
    imported = internalizer(theirs.save(tmp_path / "theirs"), base)
    (chunk,) = imported.split(document_from_text("the mill has nine windows", "mill"))
    assert list(chunk) == [41, 44, 45, 46, 47, 48, 42, 43]  # <user> the mill has nine windows <end> <model>
    generated = imported.generate([chunk])["down_proj"]
    with torch.no_grad():
        A, B = theirs.adapter(list(chunk), "down_proj")
    torch.testing.assert_close(generated.A[0], A, rtol=0, atol=1e-5)
    torch.testing.assert_close(generated.B[0], B, rtol=0, atol=1e-5)


def test_import_then_ask_with_another_context_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("LORIFY_CACHE", str(tmp_path / "cache"))
    tiny_model("mistral").save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    base, encoder = load_base(str(tmp_path / "base")), word_encoder(tmp_path / "encoder", num_layers=5)
    theirs = AuthorsCheckpoint(base, encoder="early_exit", layer_idx=None, encoder_model=encoder)
    theirs.save(tmp_path / "theirs", trained_on=base.name)
    (tmp_path / "mill.txt").write_text("the mill has nine windows")
    for command in (
        ("import", tmp_path / "theirs", "-o", tmp_path / "ours"),
        (
            "ask",
            tmp_path / "mill.txt",
            "-q",
            "Who?",
            "--max-tokens",
            3,
            "--base",
            base.name,
            "--hypernetwork",
            tmp_path / "ours",
        ),
    ):
        result = CliRunner().invoke(app, [str(word) for word in command])
        assert result.exit_code == 0 and "warning" not in result.stderr, result.output


def test_a_context_encoder_that_is_not_at_hand_is_named(tmp_path):
    base = tiny_base()
    encoder = tiny_base("gemma3")
    encoder.name = str(tmp_path / "nowhere")
    folder = AuthorsCheckpoint(base, encoder="early_exit", encoder_model=encoder).save(tmp_path / "theirs")
    with pytest.raises(BaseModelError, match=r"nowhere.* is not known"):
        import_d2l(folder, base)


# What stands around a context in each release, as its authors have it.
RELEASES = {
    "google/gemma-2-2b-it": ("gemma2", [2, 106, 1645, 110], [107, 108, 106, 2516, 108]),
    "mistralai/Mistral-7B-Instruct-v0.2": (
        "mistral",
        [1, 733, 16289, 28793, 28705, 13, 13],
        [733, 28748, 16289, 28793],
    ),
    "Qwen/Qwen3-4B-Instruct-2507": (
        "qwen3",
        [151644, 8948, 198, 151645, 198, 151644, 872, 198],
        [151645, 198, 151644, 77091, 198],
    ),
}


@pytest.mark.parametrize("name", RELEASES)
def test_contexts_of_a_release_stand_between_its_own_token_ids(name, tmp_path):
    family, prefix, suffix = RELEASES[name]
    base = tiny_base(family, vocab_size=max(prefix + suffix) + 1)
    theirs = AuthorsCheckpoint(base)
    imported = internalizer(theirs.save(tmp_path, trained_on=name, compiled=True), base)
    (chunk,) = imported.split(document_from_text("The mill has nine windows.", "mill"))
    assert list(chunk) == [*prefix, *base.encode_text("The mill has nine windows."), *suffix]
    generated = imported.generate([chunk])["down_proj"]
    with torch.no_grad():
        A, B = theirs.adapter(list(chunk), "down_proj")
    torch.testing.assert_close(generated.A[0], A, rtol=0, atol=1e-5)
    torch.testing.assert_close(generated.B[0], B, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_is_refused_for_a_base_of_another_kind(name, tmp_path):
    base = tiny_base("llama")  # of the same sizes
    with pytest.raises(HypernetworkError, match=rf"a LlamaForCausalLM with 2 of 48; load base {name}"):
        import_d2l(AuthorsCheckpoint(base).save(tmp_path, trained_on=name), base)


def test_a_base_of_another_kind_is_refused_where_the_named_one_is_at_hand(tmp_path):
    tiny_model("mistral").save_pretrained(tmp_path / "mistral")
    folder = AuthorsCheckpoint(tiny_base("llama")).save(tmp_path / "theirs", trained_on=str(tmp_path / "mistral"))
    with pytest.raises(HypernetworkError, match=r"MistralForCausalLM with 2 blocks.* is a LlamaForCausalLM"):
        import_d2l(folder, tiny_base("llama"))
    import_d2l(folder, tiny_base("mistral"))


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_nothing_that_is_pickled_is_run(protocol, tmp_path):
    base, touched = tiny_base(), tmp_path / "touched"
    folder = AuthorsCheckpoint(base).save(tmp_path / "malicious", dropout_rate=Malicious(touched))
    if protocol == "pickle":
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"hypernet_config": Malicious(touched)}))
    with pytest.raises(HypernetworkError, match=r"not loaded|damaged"):
        import_d2l(folder, base)
    assert not touched.exists()


def test_bad_checkpoints_are_refused(tmp_path):
    base = tiny_base()
    folder = AuthorsCheckpoint(base).save(tmp_path / "good")
    with pytest.raises(HypernetworkError, match=r"not a Doc-to-LoRA checkpoint: it has no pytorch_model\.bin"):
        import_d2l(tmp_path, base)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "pytorch_model.bin").write_bytes((folder / "pytorch_model.bin").read_bytes()[:5000])
    with pytest.raises(HypernetworkError, match="damaged"):
        import_d2l(tmp_path / "cut", base)
    (tmp_path / "foreign").mkdir()
    torch.save({"weight": torch.zeros(2)}, tmp_path / "foreign" / "pytorch_model.bin")
    with pytest.raises(HypernetworkError, match="it has no base_model_name_or_path"):
        import_d2l(tmp_path / "foreign", base)
    with pytest.raises(HypernetworkError, match=r"2 blocks of width 48.*load base somebody/base"):
        import_d2l(folder, tiny_base(num_layers=3))
    theirs = AuthorsCheckpoint(base)
    theirs.weights["head.weight"] = theirs.weights["head.weight"][..., :-1]
    with pytest.raises(HypernetworkError, match="does not fit its own settings: head"):
        import_d2l(theirs.save(tmp_path / "short"), base)
    with pytest.raises(HypernetworkError, match="per_rank_gen False"):
        import_d2l(theirs.save(tmp_path / "odd", per_rank_gen=False), base)
    with pytest.raises(HypernetworkError, match="not those of a Doc-to-LoRA"):
        import_d2l(theirs.save(tmp_path / "rank", latent_size=None), base)


def test_a_tokenizer_that_is_larger_than_the_vocabulary_is_named(tmp_path):
    tiny_model(vocab_size=60).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    folder = AuthorsCheckpoint(tiny_base()).save(tmp_path / "checkpoint")
    command = ["import", str(folder), "-o", str(tmp_path / "out"), "--base", str(tmp_path / "base")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "is larger than its vocabulary" in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()
