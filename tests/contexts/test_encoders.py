"""The prompt around a context, for chat templates with and without a system role."""

import pytest
from tiny import CHAT_TEMPLATE, tiny_tokenizer

from lorify.contexts.encoders import context_affixes

# The template that google/gemma-2-2b-it ships with.
GEMMA_2_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
BOS = "<|im_start|>"  # of the tiny tokenizer


@pytest.mark.parametrize(
    ("template", "system_turn", "before", "after"),
    [
        # As in the reference implementation of Doc-to-LoRA (CTX_AFFIXES for Gemma 2).
        (GEMMA_2_TEMPLATE, True, f"{BOS}<start_of_turn>user\n\n\n", "<end_of_turn>\n<start_of_turn>model\n"),
        (GEMMA_2_TEMPLATE, False, f"{BOS}<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"),
        (
            CHAT_TEMPLATE,
            True,
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
)
def test_a_context_is_encoded_inside_the_chat_of_its_template(template, system_turn, before, after):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    prefix, suffix = context_affixes(tokenizer, system_turn=system_turn)
    assert tokenizer.decode(prefix) == before
    assert tokenizer.decode(suffix) == after
