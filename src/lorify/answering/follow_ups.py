"""Follow-ups: a question that refers back is rewritten so that it stands alone, for relevance and focus.

The chat in the prompt is unchanged. An adapter is focused by the words of the question, and `And when?` has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from lorify.adapters import Adapter, build_lora_batch
from lorify.answering.plan import AnswerRequest
from lorify.base.chat.prompts import Message, build_prompt_ids, question_messages
from lorify.base.chat.turns import answered_turns
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.data.follow_ups.prompt import follow_up_prompt

REWRITTEN_TOKENS = 40
_NAME_OR_NUMBER = re.compile(r"(?<!^)(?<!\w)(?:[A-Z]\w*|\d+)")


def rewrite_follow_ups(base: BaseLM, writer: Adapter, requests: Sequence[AnswerRequest]) -> list[AnswerRequest]:
    """Replace the questions of requests that refer back; all of them are rewritten in one batch.

    Args:
        base: the base.
        writer: an adapter of the base, trained as in `lorify.data.follow_ups.tasks`.
        requests: the requests; one without adapters or earlier turns is unchanged, and so is one whose rewritten
            question has a name or a number that is not in the chat.
    """
    rewritten = list(requests)
    chats = {i: r.turns for i, r in enumerate(requests) if r.turns and not r.adapters.is_empty}
    for i, question in zip(chats, _write(base, writer, list(chats.values())), strict=True):
        if _is_of_the_chat(question, chats[i]):
            rewritten[i] = replace(requests[i], question=question)
    return rewritten


def _write(base: BaseLM, writer: Adapter, chats: Sequence[Sequence[Message]]) -> list[str]:
    if not chats:
        return []
    prompts = [follow_up_prompt(*answered_turns(chat)) for chat in chats]
    found = generate_batch(
        base,
        [build_prompt_ids(base.tokenizer, question_messages(prompt)) for prompt in prompts],
        GenerationOptions(REWRITTEN_TOKENS),
        lora=build_lora_batch([writer] * len(chats), base),
        stop_ids=base.stop_ids,
    )
    return [base.decode_text(ids).strip() for ids in found]


def _is_of_the_chat(question: str, chat: Sequence[Message]) -> bool:
    """Whether every name and number in a question is in the chat; the base may invent one."""
    text = " ".join(turn["content"] for turn in chat).lower()
    return bool(question) and all(found.lower() in text for found in _NAME_OR_NUMBER.findall(question))
