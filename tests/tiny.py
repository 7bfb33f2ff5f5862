"""Tiny random base models of every supported family, with a byte-level tokenizer."""

import torch
from devices import device_of_tests
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from lorify.base.model import BaseLM
from lorify.hypernets.associative.network import AssociativeConfig

FAMILIES = {
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
    "gemma2": Gemma2Config,
    "gemma3": Gemma3TextConfig,
}
TOWER_TEXT = "The tower of Elmstead was built in 1911. It is 48 metres high. Its architect was Nora Quill.\n"
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM_MESSAGE_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are tiny.<|im_end|>\n{% endif %}" + CHAT_TEMPLATE
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    vocabulary |= {symbol: index + 3 for index, symbol in enumerate(alphabet)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )


def tiny_model(
    family: str = "llama",
    *,
    num_layers: int = 2,
    vocab_size: int = 272,
    hidden_size: int = 48,
    sliding_window: int | None = None,
):
    config_type = FAMILIES[family]
    extra = {"head_dim": 16, "query_pre_attn_scalar": 16} if family.startswith("gemma") else {}
    extra |= {"head_dim": 16} if family == "qwen3" else {}
    extra |= {"sliding_window": sliding_window} if sliding_window else {}
    config = config_type(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=3,
        num_key_value_heads=1,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **extra,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(device_of_tests())


def tiny_base(
    family: str = "llama",
    *,
    num_layers: int = 2,
    vocab_size: int = 272,
    hidden_size: int = 48,
    system_message: bool = False,
    sliding_window: int | None = None,
) -> BaseLM:
    """A base; with `system_message` its chats begin with one of their own."""
    model = tiny_model(
        family, num_layers=num_layers, vocab_size=vocab_size, hidden_size=hidden_size, sliding_window=sliding_window
    )
    tokenizer = tiny_tokenizer()
    if system_message:
        tokenizer.chat_template = SYSTEM_MESSAGE_TEMPLATE
    return BaseLM(model, tokenizer, name=f"tiny-{family}", digest=family)


def tiny_associative_config(base: BaseLM, chunk_tokens: int) -> AssociativeConfig:
    """Shape of a small associative hypernetwork for both blocks of a tiny base."""
    return AssociativeConfig(
        base_name=base.name,
        base_digest=base.digest,
        hidden_size=base.hidden_size,
        input_size=base.linear(0, "down_proj").in_features,
        layers=(0, 1),
        rank=8,
        width=16,
        bias_rank=2,
        chunk_tokens=chunk_tokens,
        reader_width=8,
    )  # pyright: ignore[reportCallIssue]
