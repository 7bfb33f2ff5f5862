"""What lorify knows about some base architectures, one entry each.

Blocks and linear layers of a base are found by its structure (`lorify.base.structure`), so a base works without an
entry. An entry enables GGUF export and fast decoding.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """Properties of one architecture.

    Attributes:
        gguf_name: llama.cpp's name for it, such as `llama`; None if llama.cpp has none, which rules out GGUF exports.
        gguf_interleaves_heads: whether llama.cpp stores the rows of `q_proj` and `k_proj` with the two halves of each
            head interleaved; adapters must then do the same.
        has_fast_decoding: whether `lorify.base.decoding.fast_blocks` computes its blocks: RMS norms before attention
            and feed-forward layer, rotary positions, optional norms of queries and keys, a gated feed-forward layer.
        is_known: False for an architecture without an entry, whose logits are checked when it is loaded.
    """

    gguf_name: str | None = None
    gguf_interleaves_heads: bool = False
    has_fast_decoding: bool = False
    is_known: bool = True


ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture("llama", gguf_interleaves_heads=True, has_fast_decoding=True),
    "MistralForCausalLM": Architecture("llama", gguf_interleaves_heads=True, has_fast_decoding=True),
    "Qwen2ForCausalLM": Architecture("qwen2", has_fast_decoding=True),
    "Qwen3ForCausalLM": Architecture("qwen3", has_fast_decoding=True),
    "Gemma2ForCausalLM": Architecture("gemma2"),
    "Gemma3ForCausalLM": Architecture("gemma3"),
}
"""Keyed by the name of the model's class in transformers, which `config.json` also uses."""


def find_architecture(name: str) -> Architecture:
    """Return the entry of an architecture, or an empty entry if it has none.

    Args:
        name: class name of the model in transformers.
    """
    return ARCHITECTURES.get(name, Architecture(is_known=False))
