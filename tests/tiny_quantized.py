"""A tiny base in float32 whose weights lie on the grids of quantized files."""

from dataclasses import replace

import torch
from adapters.random_adapters import random_adapter
from tiny import tiny_tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel

from lorify.adapters import Adapter, LoraPair
from lorify.base.model import BaseLM

VOCAB_SIZE = 272


def quantized_model(seed: int = 0, *, heads: int = 4, kv_heads: int = 2, layers: int = 2) -> PreTrainedModel:
    """A model with the blocks of a Q4 file and the head of a Q8 file."""
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=16 * heads,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=512,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and "embed" not in name:
            parameter.data = on_grid(parameter.data, 8 if "lm_head" in name else 4)
    return model


def quantized_base(seed: int = 0, **shape: int) -> BaseLM:
    """A base of `quantized_model` for which compiled loops are due."""
    return with_due_session(quantized_model(seed, **shape), f"{seed:02x}" * 32)


def with_due_session(model: PreTrainedModel, digest: str) -> BaseLM:
    """A base that compiled loops decode from the first step on, if it can be."""
    base = BaseLM(model, tiny_tokenizer(), name=f"quantized-{digest[:2]}", digest=digest)
    base.decoding_session.expect_many_steps()
    return base


def on_grid(weight: Tensor, bits: int) -> Tensor:
    """Round a matrix `[out, in]` to 16 levels between two bounds, or to 255 around zero, in each group of 32."""
    groups = weight.view(len(weight), -1, 32) * 4
    if bits == 8:
        step = groups.abs().amax(-1, keepdim=True) / 127
        return ((groups / step).round() * step).view_as(weight)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = (high - low) / 15
    return (low + ((groups - low) / step).round() * step).view_as(weight)


def row_quantized_adapter(base: BaseLM, seed: int) -> Adapter:
    """A random adapter whose `A` is the same for all seeds and on a grid in each row, as of a stored hypernetwork."""
    adapter = random_adapter(base, seed, shared_seed=5, keys=((0, "down_proj"), (1, "down_proj")), rank=16)
    weights = {}
    for key, pair in adapter.weights.items():
        step = pair.A.abs().amax(-1, keepdim=True) / 127
        weights[key] = LoraPair((pair.A / step).round() * step, pair.B)
    return replace(adapter, weights=weights)
