"""Chat prompts, written with the tokenizer's chat template or a plain one.

The plain template, for tokenizers without one, writes the system text and a blank line, then a `Question: ...` or
`Answer: ...` line for each turn, and ends with `Answer:`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedTokenizerBase

from lorify.base.chat.control_tokens import choose_separator, encode, separate
from lorify.base.chat.turns import ALTERNATIVES, Message

PLAIN_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] }}\n\n"
    "{% elif m['role'] == 'user' %}Question: {{ m['content'] }}\n"
    "{% else %}Answer: {{ m['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
)
END_OF_TURN_TOKENS = ("<|im_end|>", "<end_of_turn>", "<|eot_id|>")


@dataclass(frozen=True)
class PromptBuilder:
    """Builds the prompts of a base for one document hypernetwork.

    Attributes:
        tokenizer: the base's tokenizer.
        system_turn: begin each chat with a system turn, empty if the chat has none. Imported Doc-to-LoRA checkpoints
            were trained this way.
        template: chat template in place of the tokenizer's.
    """

    tokenizer: PreTrainedTokenizerBase
    system_turn: bool = False
    template: str | None = None

    def chat_ids(self, messages: Sequence[Message], answer_prefix: str = "") -> tuple[int, ...]:
        """Build the token ids of a chat, ready for the model to answer; its answer continues `answer_prefix`."""
        messages = with_system_turn(messages) if self.system_turn else messages
        ids = build_prompt_ids(self.tokenizer, messages, template=self.template, answer_prefix=answer_prefix)
        return tuple(ids)

    def question_ids(self, question: str, document: str | None = None) -> tuple[int, ...]:
        """Build the token ids of a chat that asks one question, with or without a document before it."""
        return self.chat_ids(question_messages(question, document))


def build_prompt_ids(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool = True,
    template: str | None = None,
    answer_prefix: str = "",
) -> list[int]:
    """Build the token ids of a chat with the tokenizer's template.

    Control tokens in the messages are encoded as ordinary text. Turns that the template refuses are merged. To ask a
    base with adapters, use a `PromptBuilder`, which knows what the hypernetwork was trained on.

    Args:
        tokenizer: the base's tokenizer.
        messages: turns with `role` (system, user, assistant, tool) and `content`.
        add_generation_prompt: end with the opening of the assistant's turn.
        template: chat template in place of the tokenizer's.
        answer_prefix: text after the chat, which the answer continues.

    Raises:
        TemplateError: if the template refuses the merged turns too.
    """
    separator = choose_separator([answer_prefix, *(message["content"] for message in messages)])
    turns = _separated(tokenizer, messages, separator)
    text = _render(tokenizer, turns, add_generation_prompt=add_generation_prompt, template=template)
    text += separate(tokenizer, answer_prefix, separator)
    # Chat templates write the beginning-of-text token themselves; the plain template leaves it to the tokenizer.
    return encode(tokenizer, text, separator, add_special_tokens=not (template or tokenizer.chat_template))


def build_answered_ids(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], answer: str, *, template: str | None = None
) -> tuple[list[int], list[int]]:
    """Build the token ids of a chat and, tokenized separately, those of the assistant's turn that answers it.

    The turn includes what the template writes around the answer, such as `<start_of_turn>model`. Without a template,
    it ends with the end-of-text token.

    Args:
        tokenizer: the base's tokenizer.
        messages: turns with `role` and `content`.
        answer: the answer.
        template: chat template in place of the tokenizer's.

    Raises:
        TemplateError: if the template refuses the merged turns too.
    """
    answered = [*messages, {"role": "assistant", "content": answer}]
    separator = choose_separator(message["content"] for message in answered)
    turns = _separated(tokenizer, answered, separator)
    whole = _render(tokenizer, turns, add_generation_prompt=False, template=template)
    prompt = _render(tokenizer, turns[:-1], add_generation_prompt=False, template=template)
    assert whole.startswith(prompt)
    is_plain = not (template or tokenizer.chat_template)
    prompt_ids = encode(tokenizer, prompt, separator, add_special_tokens=is_plain)
    answer_ids = encode(tokenizer, whole.removeprefix(prompt), separator, add_special_tokens=False)
    return prompt_ids, [*answer_ids, cast(int, tokenizer.eos_token_id)] if is_plain else answer_ids


def _separated(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], separator: str) -> list[Message]:
    """Put `separator` inside the control tokens of all turns."""
    return [
        # Templates look for tokens such as `</think>` in the assistant's turns.
        message | {"content": separate(tokenizer, content, separator, template_tokens=message["role"] != "assistant")}
        for message in messages
        for content in [message["content"]]
    ]


def _render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool,
    template: str | None = None,
) -> str:
    """Write a chat with the template, using the first arrangement of its turns that the template accepts."""
    template = template or (None if tokenizer.chat_template else PLAIN_TEMPLATE)
    # Placeholder for an empty text, so that no template strips the white space around it.
    no_text = choose_separator(message["content"] for message in messages)
    refusal: TemplateError | None = None
    for arrange in ALTERNATIVES:
        try:
            text = tokenizer.apply_chat_template(
                arrange(messages, no_text),
                chat_template=template,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
                enable_thinking=False,  # for Qwen3; other templates ignore it
            )
        except TemplateError as error:
            refusal = refusal or error
            continue
        assert isinstance(text, str)
        return text.replace(no_text, "")
    assert refusal is not None
    raise refusal


def question_messages(question: str, document: str | None = None) -> list[Message]:
    """Build the chat that asks one question, with or without a document before it."""
    content = question if document is None else f"{document}\n\n{question}"
    return [{"role": "user", "content": content}]


def with_system_turn(messages: Sequence[Message]) -> list[Message]:
    """Return the chat with a system turn at the beginning; if it has none, an empty one is added."""
    has_one = bool(messages) and messages[0]["role"] == "system"
    return [*messages] if has_one else [{"role": "system", "content": ""}, *messages]


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, generation_config: GenerationConfig | None = None) -> set[int]:
    """Return the tokens that end an answer.

    These are the end-of-text tokens of tokenizer and model, and the known end-of-turn tokens in the vocabulary.
    """
    declared = generation_config.eos_token_id if generation_config is not None else None
    found = [tokenizer.eos_token_id, *(declared if isinstance(declared, list) else [declared])]
    # Not `get_vocab`, which copies the vocabulary. A token that is not in it gets the id of the unknown token, or none.
    known = cast(list[int | None], tokenizer.convert_tokens_to_ids(list(END_OF_TURN_TOKENS)))
    found += [i for i, token in zip(known, END_OF_TURN_TOKENS, strict=True) if _is_token(tokenizer, i, token)]
    return {token for token in found if isinstance(token, int)}


def _is_token(tokenizer: PreTrainedTokenizerBase, token_id: int | None, token: str) -> bool:
    return token_id is not None and tokenizer.convert_ids_to_tokens(token_id) == token
