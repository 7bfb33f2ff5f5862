"""Tiny random base models of many families of transformers, for `tests/base/test_families.py`."""

from dataclasses import dataclass, field
from typing import Any

import torch
from devices import device_of_tests
from tiny import tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from lorify.base.model import BaseLM

COMMON = {
    "vocab_size": 272,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA_3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LINEAR_ATTENTION = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}


@dataclass(frozen=True)
class Family:
    """A family of bases.

    Attributes:
        model_type: its name in transformers.
        module: a linear layer that writes into the hidden states, of every block from `first_layer` on.
        extra: fields of its config beside `COMMON`.
        num_linears: number of linear layers in its blocks that can be adapted.
        first_layer: index of the first adapted block.
    """

    model_type: str
    module: str = "down_proj"
    extra: dict[str, Any] = field(default_factory=dict)
    num_linears: int = 14
    first_layer: int = 0


FAMILIES = {
    "llama3": Family("llama", extra={"rope_parameters": LLAMA_3_ROPE}),
    "mistral": Family("mistral"),
    "qwen2": Family("qwen2"),
    "qwen3": Family("qwen3", extra={"head_dim": 16}),
    "qwen3_moe": Family("qwen3_moe", "o_proj", {"head_dim": 16, **EXPERTS}, 8),
    "gemma2": Family("gemma2", extra={"head_dim": 16, "query_pre_attn_scalar": 16}),
    "gemma3": Family("gemma3_text", extra={"head_dim": 16, "query_pre_attn_scalar": 16}),
    "phi3": Family("phi3", num_linears=8),
    "smollm3": Family("smollm3"),
    "olmo2": Family("olmo2"),
    "granite": Family("granite", extra={"logits_scaling": 4.0, "residual_multiplier": 0.5}),
    "stablelm": Family("stablelm"),
    "gpt_neox": Family("gpt_neox", "dense_4h_to_h", num_linears=8),
    "falcon": Family("falcon", "dense_4h_to_h", {"ffn_hidden_size": 96}, 8),
    "cohere": Family("cohere", extra={"logit_scale": 0.25}),
    "starcoder2": Family("starcoder2", "c_proj", num_linears=12),
    "lfm2": Family("lfm2", "w2", {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}, 12),
    "qwen3_next": Family(
        "qwen3_next",
        "o_proj",
        {
            "head_dim": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "shared_expert_intermediate_size": 32,
            **EXPERTS,
            **LINEAR_ATTENTION,
        },
        7,
        first_layer=1,
    ),
}


def family_model(name: str):
    family = FAMILIES[name]
    config = AutoConfig.for_model(family.model_type, **COMMON | family.extra)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(device_of_tests())


def family_base(name: str) -> BaseLM:
    return BaseLM(family_model(name), tiny_tokenizer(), name=f"tiny-{name}", digest=name)
