"""The chat templates that Text-to-LoRA trains and evaluates with, in place of the bases' own.

They have no default system message, and they write an empty system turn where a base's own template writes none, writes
the date (Llama 3) or refuses (Gemma). Text-to-LoRA's chats always begin with an empty system turn.

Source: github.com/SakanaAI/text-to-lora, `chat_templates`; rewritten to give the same text for the same chat.
"""

from __future__ import annotations

from collections.abc import Mapping

from transformers import PreTrainedTokenizerBase

_BEGINNING = "{% if messages[0]['role'] == 'system' %}{{ bos_token }}{% endif %}"

_MISTRAL = _BEGINNING + (
    "{% set system = messages[0]['content'] + '\n\n' if messages[0]['role'] == 'system' else '' %}"
    "{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ ' [INST] ' + (system if loop.index0 == 1 else '') + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
_LLAMA_3 = _BEGINNING + (
    "{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_GEMMA = _BEGINNING + (
    "{% for m in messages %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

_TEMPLATES: Mapping[str, str] = {"[INST]": _MISTRAL, "<|start_header_id|>": _LLAMA_3, "<start_of_turn>": _GEMMA}
"""Templates, keyed by a mark that the base's own template writes."""


def find_published_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Find the template for a base by the base's own template; None if Text-to-LoRA does not use the base."""
    own = tokenizer.chat_template
    return next((text for mark, text in _TEMPLATES.items() if isinstance(own, str) and mark in own), None)
