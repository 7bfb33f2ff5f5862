"""The prompt around a context, for chat templates with and without a system role."""

from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
from chat_templates import GEMMA_2, LLAMA_3, MISTRAL_V0_2, MISTRAL_V0_2_FIRST, QWEN_3
from tiny import CHAT_TEMPLATE, tiny_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from lorify.base.chat.control_tokens import encode_plain
from lorify.contexts.encoders.encoding import ContextEncoder, context_affixes, context_ids

BOS = "<|im_start|>"  # of the tiny tokenizer


@pytest.mark.parametrize(
    ("template", "system_turn", "before", "after"),
    [
        # As in the reference implementation of Doc-to-LoRA (CTX_AFFIXES for Gemma 2).
        (GEMMA_2, True, f"{BOS}<start_of_turn>user\n\n\n", "<end_of_turn>\n<start_of_turn>model\n"),
        (GEMMA_2, False, f"{BOS}<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"),
        (
            CHAT_TEMPLATE,
            True,
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
        # CTX_AFFIXES for Mistral and Qwen3; the first template of Mistral, which refuses a system turn, has no space.
        (MISTRAL_V0_2, True, f"{BOS} [INST] \n\n", " [/INST]"),
        (MISTRAL_V0_2, False, f"{BOS} [INST] ", " [/INST]"),
        (MISTRAL_V0_2_FIRST, True, f"{BOS}[INST] \n\n", " [/INST]"),
        (QWEN_3, True, "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
        (QWEN_3, False, "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
        (
            LLAMA_3,
            True,
            f"{BOS}<|start_header_id|>system<|end_header_id|>\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
    ],
)
def test_a_context_is_encoded_inside_the_chat_of_its_template(template, system_turn, before, after):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    prefix, suffix = context_affixes(tokenizer, system_turn=system_turn)
    assert tokenizer.decode(prefix) == before
    assert tokenizer.decode(suffix) == after


@pytest.mark.parametrize("prepend_scheme", ["first", "always", "never"])
def test_a_tokenizer_that_puts_a_space_before_a_text_gives_the_same_prefix(prepend_scheme):
    tokenizer = sentencepiece_tokenizer(prepend_scheme)
    tokenizer.chat_template = MISTRAL_V0_2
    prefix, suffix = context_affixes(tokenizer, system_turn=True)
    # CTX_AFFIXES of the reference implementation, spelled out in letters.
    assert tokenizer.convert_ids_to_tokens(list(prefix)) == ["<s>", *"▁[INST]▁", "<0x0A>", "<0x0A>"]
    assert tokenizer.convert_ids_to_tokens(list(suffix)) == [*"▁[/INST]"]
    encoder = cast(ContextEncoder, SimpleNamespace(tokenizer=tokenizer, encode_text=partial(encode_plain, tokenizer)))
    ids = context_ids(encoder, "The mill.", prefix=prefix, suffix=suffix, system_turn=True)
    assert tokenizer.convert_ids_to_tokens(ids) == [*"The▁mill."]  # no space before it, as in the reference
    other = context_ids(encoder, "The mill.", prefix=(9, 9), suffix=suffix, system_turn=True)
    assert other == encode_plain(tokenizer, "The mill.")


def sentencepiece_tokenizer(prepend_scheme: str) -> PreTrainedTokenizerFast:
    """A tokenizer of letters in the form of Mistral's: other characters become bytes, spaces become `▁`."""
    letters = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend_scheme, split=False)
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens([AddedToken(token, special=True) for token in letters[:3]])
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
