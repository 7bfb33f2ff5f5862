"""Chat prompts, written with the tokenizer's chat template or a plain one.

The plain template, for tokenizers that have none, writes the system text and a blank line, then a `Question: ...` or
`Answer: ...` line for each turn, and ends in `Answer:`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedTokenizerBase

PLAIN_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] }}\n\n"
    "{% elif m['role'] == 'user' %}Question: {{ m['content'] }}\n"
    "{% else %}Answer: {{ m['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
)
END_OF_TURN_TOKENS = ("<|im_end|>", "<end_of_turn>", "<|eot_id|>")

_NO_TEXT = "\u2603"  # stands for an empty text, so that no template strips the white space around it

Message = dict[str, str]


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

    To ask a base with adapters, use a `PromptBuilder`, which knows what the hypernetwork was trained on.

    Args:
        tokenizer: the base's tokenizer.
        messages: turns with `role` (system, user, assistant) and `content`.
        add_generation_prompt: end with the opening of the assistant's turn.
    """
    text = _render(tokenizer, messages, add_generation_prompt=add_generation_prompt)
    # Chat templates write the beginning-of-text token themselves; the plain template leaves it to the tokenizer.
    return list(tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"])


def _render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    template = None if tokenizer.chat_template else PLAIN_TEMPLATE

    def render(turns: Sequence[Message]) -> str:
        text = tokenizer.apply_chat_template(
            list(turns),
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            tokenize=False,
            enable_thinking=False,  # for Qwen3; other templates ignore it
        )
        assert isinstance(text, str)
        return text

    try:
        return render(messages)
    except TemplateError:
        # Templates without a system role, such as Gemma's, refuse it; its text then opens the first user turn.
        return render(_fold_system(messages)).replace(_NO_TEXT, "", 1)  # the first one is ours, others are the user's


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


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    if len(messages) < 2 or messages[0]["role"] != "system":
        return list(messages)
    system = messages[0]["content"] or _NO_TEXT
    first = {"role": messages[1]["role"], "content": f"{system}\n\n{messages[1]['content']}"}
    return [first, *messages[2:]]
