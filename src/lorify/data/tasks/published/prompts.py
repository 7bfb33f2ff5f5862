"""The prompts that Text-to-LoRA uses to train on Super-NaturalInstructions.

Source: github.com/SakanaAI/text-to-lora, `utils/preprocessing.py` and `tasks/lol_*/metadata.yaml`.
"""

from __future__ import annotations

from lorify.base.chat.prompts import build_answered_ids, with_system_turn
from lorify.base.chat.published_chats import find_published_template
from lorify.base.model import BaseLM
from lorify.data.tasks.schema import Instance, Task

BENCHMARKS_SOURCE = "benchmarks"
REQUEST = " Please complete the task without any explanation."
LIST_REQUEST = "\nThe answer should be a comma-separated list of possible completions."


def published_question(task: Task, instance: Instance) -> str:
    """Write the definition with a request for a bare answer, a blank line, and the input.

    The input of a benchmark is its whole prompt (`lorify prepare-tasks benchmarks`).
    """
    if task.source == BENCHMARKS_SOURCE:
        return instance.input
    is_list = len(instance.outputs) > 1
    return f"{task.definition}{REQUEST}{LIST_REQUEST if is_list else ''}\n\n{instance.input}"


def published_answer(instance: Instance) -> str:
    """Join all acceptable answers of an instance."""
    return ", ".join(instance.outputs)


def published_chat_ids(base: BaseLM, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Build the token ids of a question in Text-to-LoRA's chat, and of the turn that answers it."""
    chat = with_system_turn([{"role": "user", "content": question}])
    return build_answered_ids(base.tokenizer, chat, answer, template=find_published_template(base.tokenizer))


def truncate_pair(prompt: list[int], answer: list[int], max_tokens: int) -> tuple[list[int], list[int]]:
    """Cut a prompt and its answer to `max_tokens` in total, at the beginning of the longer one.

    If both are longer than half, each keeps half. This is the strategy `longest_first` of the package tokenizers.

    Args:
        prompt: token ids of the prompt.
        answer: token ids of the answer.
        max_tokens: maximum number of tokens of both together.
    """
    if len(prompt) + len(answer) <= max_tokens:
        return prompt, answer
    shorter = min(len(prompt), len(answer))
    kept = max(shorter, max_tokens - shorter)
    if shorter + kept > max_tokens:
        shorter, kept = max_tokens // 2, max_tokens // 2 + max_tokens % 2
    sizes = (shorter, kept) if len(prompt) <= len(answer) else (kept, shorter)
    return prompt[len(prompt) - sizes[0] :], answer[len(answer) - sizes[1] :]
