import pytest
from tiny import tiny_base, tiny_tokenizer

from lorify.base.chat.prompts import build_prompt_ids, question_messages, stop_token_ids, with_system_turn

NO_SYSTEM_ROLE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
)


def test_the_tokenizers_own_template_is_used():
    tokenizer = tiny_tokenizer()
    ids = build_prompt_ids(tokenizer, question_messages("How high?"))
    assert tokenizer.decode(ids) == "<|im_start|>user\nHow high?<|im_end|>\n<|im_start|>assistant\n"
    assert ids[0] == tokenizer.bos_token_id


def test_a_document_comes_before_the_question():
    tokenizer = tiny_tokenizer()
    text = tokenizer.decode(build_prompt_ids(tokenizer, question_messages("How high?", "The tower: 48 metres.")))
    assert "user\nThe tower: 48 metres.\n\nHow high?" in text


def test_a_tokenizer_without_a_template_gets_the_plain_one():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How high?"},
        {"role": "assistant", "content": "48 m."},
        {"role": "user", "content": "How old?"},
    ]
    text = tokenizer.decode(build_prompt_ids(tokenizer, chat), skip_special_tokens=True)
    assert text == "Be brief.\n\nQuestion: How high?\nAnswer: 48 m.\nQuestion: How old?\nAnswer:"


def test_a_template_without_a_system_role_gets_its_text_in_the_first_turn():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = NO_SYSTEM_ROLE
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How high?"}]
    text = tokenizer.decode(build_prompt_ids(tokenizer, chat))
    assert text == "<user>Be brief.\n\nHow high?"


def test_an_empty_system_turn_is_kept_by_every_template():
    tokenizer = tiny_tokenizer()
    chat = with_system_turn([{"role": "user", "content": "How high?"}])
    assert with_system_turn(chat) == chat
    text = tokenizer.decode(build_prompt_ids(tokenizer, chat))
    assert text == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHow high?<|im_end|>\n<|im_start|>assistant\n"
    tokenizer.chat_template = NO_SYSTEM_ROLE.replace("m['content'] }}", "m['content'] | trim }}")
    assert "trim" in tokenizer.chat_template  # as Gemma's, which would strip the two line breaks
    assert tokenizer.decode(build_prompt_ids(tokenizer, chat)) == "<user>\n\nHow high?"


def test_answers_end_at_every_known_end_of_turn():
    base = tiny_base()
    assert stop_token_ids(base.tokenizer, base.model.generation_config) == {2}
    base.model.generation_config.eos_token_id = [2, 7]
    assert stop_token_ids(base.tokenizer, base.model.generation_config) == {2, 7}


@pytest.mark.parametrize("text", ["\u2603 snow", "\u2602 rain"])
def test_every_character_of_a_users_text_is_kept_where_the_system_turn_is_folded(text):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = NO_SYSTEM_ROLE
    ids = build_prompt_ids(tokenizer, with_system_turn(question_messages(text)))
    assert text in tokenizer.decode(ids)
