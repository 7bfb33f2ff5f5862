import pytest
from tiny import tiny_tokenizer

from lorify.base.chat.prompts import PromptBuilder, build_answered_ids, with_system_turn
from lorify.base.chat.published_chats import find_published_template

# Marks of the bases' own templates, and what Text-to-LoRA writes for such bases (B begins, E ends a text).
CHATS = {
    "{{ '[INST]' }}": ("B [INST] \n\nHow high? [/INST]", " 48 m.E", ""),
    "{{ '<|start_header_id|>' }}": (
        "B<|start_header_id|>system<|end_header_id|>\n\n<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHow high?<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n48 m.<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "{{ '<start_of_turn>' }}": (
        "B<start_of_turn>system\n<end_of_turn>\n<start_of_turn>user\nHow high?<end_of_turn>\n",
        "<start_of_turn>model\n48 m.<end_of_turn>\n",
        "<start_of_turn>model\n",
    ),
}
QUESTION = with_system_turn([{"role": "user", "content": "How high?"}])


@pytest.mark.parametrize("own", CHATS)
def test_a_chat_is_written_as_text_to_lora_writes_it(own):
    prompt, answer, opening = CHATS[own]
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = own
    tokenizer.add_special_tokens({"bos_token": "B", "eos_token": "E"})
    template = find_published_template(tokenizer)
    ids = build_answered_ids(tokenizer, QUESTION, "48 m.", template=template)
    assert tuple(map(tokenizer.decode, ids)) == (prompt, answer)
    ids = PromptBuilder(tokenizer, template=template).chat_ids(QUESTION, "Answer:")
    assert tokenizer.decode(ids) == f"{prompt}{opening}Answer:"


def test_other_bases_keep_their_own_template():
    assert find_published_template(tiny_tokenizer()) is None
