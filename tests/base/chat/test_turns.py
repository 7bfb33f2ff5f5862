"""Chats with every order of roles, in templates that refuse some."""

import pytest
from tiny import tiny_tokenizer

from lorify.base.chat.prompts import build_prompt_ids

GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "<{{ 'model' if m['role'] == 'assistant' else m['role'] }}>{{ m['content'] | trim }}</turn>{% endfor %}"
    "{% if add_generation_prompt %}<model>{% endif %}"
)
MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] %}{% set turns = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ first + '\n\n' if loop.last and first else '' }}{{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}</s>{% endif %}{% endfor %}"
)


def written(template: str, *turns: str) -> str:
    """The prompt of a chat given as `role: content` lines."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    chat = [dict(zip(("role", "content"), turn.split(": "), strict=True)) for turn in turns]
    return tokenizer.decode(build_prompt_ids(tokenizer, chat))


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        (["user: a", "user: b"], "<user>a\n\nb</turn><model>"),
        (["system: s"], "<user>s</turn><model>"),
        (["system: s", "system: t", "user: a"], "<user>s\n\nt\n\na</turn><model>"),
        (["system: s", "user: a"], "<user>s\n\na</turn><model>"),
        (["user: a", "assistant: x", "system: s"], "<user>a</turn><model>x</turn><user>s</turn><model>"),
        (["assistant: x", "user: a"], "<user></turn><model>x</turn><user>a</turn><model>"),
        (["system: s", "assistant: x", "user: a"], "<user>s</turn><model>x</turn><user>a</turn><model>"),
        (["user: a", "assistant: x", "tool: 42"], "<user>a</turn><model>x</turn><user>42</turn><model>"),
        (["user: a", "assistant: x", "assistant: y"], "<user>a</turn><model>x\n\ny</turn><model>"),
    ],
)
def test_turns_that_gemmas_template_refuses_are_merged(turns, prompt):
    assert written(GEMMA, *turns) == prompt


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        (["system: s", "user: a"], "[INST] s\n\na [/INST]"),
        (["system: s", "user: a", "user: b"], "[INST] s\n\na\n\nb [/INST]"),
        (["system: s", "system: t", "user: a"], "[INST] s\n\nt\n\na [/INST]"),
        (["user: a", "assistant: x", "tool: 42", "user: b"], "[INST] a [/INST] x</s>[INST] 42\n\nb [/INST]"),
    ],
)
def test_turns_that_mistrals_template_refuses_are_merged(turns, prompt):
    assert written(MISTRAL, *turns) == prompt


def test_a_template_that_takes_every_role_gets_the_turns_as_they_are():
    template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    assert written(template, "system: s", "user: a", "user: b") == "<system>s<user>a<user>b"
