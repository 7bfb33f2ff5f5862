"""The supported base architectures, one entry each.

transformers loads the model, and every `nn.Linear` inside its transformer blocks can be adapted. An entry holds what
lorify has to know beyond that. To support another architecture, add an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from lorify.errors import BaseModelError


@dataclass(frozen=True)
class Architecture:
    """Properties of one architecture.

    Attributes:
        gguf_name: llama.cpp's name for it, such as `llama`; None if llama.cpp has none, which rules out GGUF exports.
        gguf_interleaves_heads: whether llama.cpp stores the rows of `q_proj` and `k_proj` with the two halves of each
            head interleaved, which adapters have to follow.
        has_fast_decoding: whether `lorify.base.fast_decoding` computes its blocks: RMS norms before attention and
            feed-forward layer, rotary positions, optional norms of queries and keys, a gated feed-forward layer.
    """

    gguf_name: str | None = None
    gguf_interleaves_heads: bool = False
    has_fast_decoding: bool = False


ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture("llama", gguf_interleaves_heads=True, has_fast_decoding=True),
    "MistralForCausalLM": Architecture("llama", gguf_interleaves_heads=True, has_fast_decoding=True),
    "Qwen2ForCausalLM": Architecture("qwen2", has_fast_decoding=True),
    "Qwen3ForCausalLM": Architecture("qwen3", has_fast_decoding=True),
    "Gemma2ForCausalLM": Architecture("gemma2"),
    "Gemma3ForCausalLM": Architecture("gemma3"),
}
"""By the name of the model's class in transformers, which is its name in `config.json` too."""


def find_architecture(name: str, base_name: str) -> Architecture:
    """Return the entry of an architecture.

    Args:
        name: class name of the model in transformers.
        base_name: the base model, for the error.

    Raises:
        BaseModelError: if the architecture is not supported.
    """
    if name not in ARCHITECTURES:
        raise BaseModelError(
            f"base model {base_name!r} has architecture {name}; lorify supports {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]
