"""What the structure of a model tells, and what is refused by name."""

import json
from pathlib import Path

import pytest
import torch
from base.families import COMMON
from tiny import tiny_model, tiny_tokenizer
from tiny_vlm import save_tiny_vlm
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    BloomConfig,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.base.structure import find_linears
from lorify.errors import BaseModelError


def base_of(model) -> BaseLM:
    return BaseLM(model, tiny_tokenizer(), name="strange", digest="d")


def gpt2():
    return AutoModelForCausalLM.from_config(GPT2Config(vocab_size=272, n_embd=48, n_layer=2, n_head=3))


def bloom_without_window():
    return AutoModelForCausalLM.from_config(BloomConfig(vocab_size=272, hidden_size=48, n_layer=2, n_head=3))


def t5():
    return T5ForConditionalGeneration(T5Config(vocab_size=272, d_model=48, num_layers=2, num_heads=3, d_ff=64))


class OddHead(LlamaForCausalLM):
    """Adds one to the logit of token 7, which no config says."""

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = output.logits + nn.functional.one_hot(torch.tensor(7), 272)
        return output


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (gpt2, "has no linear layers in its blocks (they hold Conv1D, LayerNorm)"),
        (t5, "is an encoder-decoder (T5ForConditionalGeneration)"),
        (bloom_without_window, "gives no context window"),
        (lambda: OddHead(LlamaConfig(**COMMON)), "(OddHead) computes its logits in a way that lorify does not know"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(build, reason: str) -> None:
    with pytest.raises(BaseModelError) as error:
        base_of(build())
    assert "'strange'" in str(error.value) and reason in str(error.value)


def test_equal_names_in_a_block_are_told_apart_by_their_path() -> None:
    def feed_forward() -> nn.ModuleDict:
        return nn.ModuleDict({"up": nn.Linear(2, 2), "down": nn.Linear(2, 2)})

    block = nn.ModuleDict({"mlp": feed_forward(), "expert": feed_forward(), "out": nn.Linear(2, 2)})
    paths = find_linears([block], "model.layers", "name")
    assert paths == {
        (0, "mlp.up"): "model.layers.0.mlp.up",
        (0, "mlp.down"): "model.layers.0.mlp.down",
        (0, "expert.up"): "model.layers.0.expert.up",
        (0, "expert.down"): "model.layers.0.expert.down",
        (0, "out"): "model.layers.0.out",
    }


@pytest.mark.parametrize("kind", ["gemma3", "smolvlm"])
def test_a_multimodal_wrapper_gives_its_language_model(kind: str, tmp_path: Path) -> None:
    folder = save_tiny_vlm(tmp_path / kind, kind)
    base = load_base(str(folder), dtype=torch.float32)
    wrapper = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).to(base.device)
    ids = torch.randint(3, 200, (1, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(base.model(input_ids=ids).logits, wrapper(input_ids=ids).logits)
    assert type(base.model).__name__.endswith("ForCausalLM") and base.linear(0, "down_proj").in_features == 40


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "T5ForConditionalGeneration"])
def test_a_model_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model_type = {"B": "vit", "T": "t5"}[kind[0]]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "architectures": [kind]}))
    with pytest.raises(BaseModelError, match=rf"\({kind}\) is not a causal language model of transformers"):
        load_base(str(tmp_path))
