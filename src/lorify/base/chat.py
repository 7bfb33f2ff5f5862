"""Chat prompts, written with the tokenizer's chat template or a plain one.

The plain template, for tokenizers that have none, writes the system text and a blank line, then a `Question: ...` or
`Answer: ...` line for each turn, and ends in `Answer:`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedTokenizerBase

from lorify.base.control_tokens import choose_separator, encode, separate
from lorify.base.turns import ALTERNATIVES, Message

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
            were trained on such prompts.
    """

    tokenizer: PreTrainedTokenizerBase
    system_turn: bool = False

    def chat_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Build the token ids of a chat, ready for the model to answer."""
        return tuple(build_prompt_ids(self.tokenizer, with_system_turn(messages) if self.system_turn else messages))

    def question_ids(self, question: str, document: str | None = None) -> tuple[int, ...]:
        """Build the token ids of a chat that asks one question, with or without a document before it."""
        return self.chat_ids(question_messages(question, document))


def build_prompt_ids(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, add_generation_prompt: bool = True
) -> list[int]:
    """Build the token ids of a chat with the tokenizer's template.

    Control tokens in the messages are encoded as ordinary text. Turns that the template refuses are merged. To ask a
    base with adapters, use a `PromptBuilder`, which knows what the hypernetwork was trained on.

    Args:
        tokenizer: the base's tokenizer.
        messages: turns with `role` (system, user, assistant, tool) and `content`.
        add_generation_prompt: end with the opening of the assistant's turn.

    Raises:
        TemplateError: if the template refuses the merged turns too.
    """
    separator = choose_separator(message["content"] for message in messages)
    turns = [
        # Templates look for tokens such as `</think>` in the assistant's turns.
        message | {"content": separate(tokenizer, content, separator, template_tokens=message["role"] != "assistant")}
        for message in messages
        for content in [message["content"]]
    ]
    text = _render(tokenizer, turns, add_generation_prompt=add_generation_prompt)
    # Chat templates write the beginning-of-text token themselves; the plain template leaves it to the tokenizer.
    return encode(tokenizer, text, separator, add_special_tokens=not tokenizer.chat_template)


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    """Write a chat with the template, with the first arrangement of its turns that the template takes."""
    template = None if tokenizer.chat_template else PLAIN_TEMPLATE
    # Stands for an empty text, so that no template strips the white space around it.
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
    """Return the chat with a system turn at its beginning, an empty one if it has none."""
    has_one = bool(messages) and messages[0]["role"] == "system"
    return [*messages] if has_one else [{"role": "system", "content": ""}, *messages]


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, generation_config: GenerationConfig | None = None) -> set[int]:
    """Return the tokens that end an answer.

    Those are the end-of-text tokens of tokenizer and model, and the known end-of-turn tokens in the vocabulary.
    """
    declared = generation_config.eos_token_id if generation_config is not None else None
    vocabulary = tokenizer.get_vocab()
    found = [tokenizer.eos_token_id, *(declared if isinstance(declared, list) else [declared])]
    found += [vocabulary.get(token) for token in END_OF_TURN_TOKENS]
    return {token for token in found if isinstance(token, int)}
