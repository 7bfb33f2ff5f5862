"""Arrange the turns of a chat for chat templates that refuse some roles or orders of roles.

Gemma's and Mistral's templates have no system role, or only at the beginning, and need user and assistant to alternate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Message = dict[str, str]
"""One turn of a chat: `role` (system, user, assistant or tool) and `content`."""

SEPARATION = "\n\n"
"""Text between two turns that are merged into one."""


def answered_turns(chat: Sequence[Message]) -> tuple[list[tuple[str, str]], str]:
    """Return the questions of a chat with their answers, and the last question; the last turn is the user's."""
    pairs: list[tuple[str, str]] = []
    for turn in chat[:-1]:
        if turn["role"] == "user":
            pairs.append((turn["content"], ""))
        elif turn["role"] == "assistant" and pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {turn['content']}".strip())
    return pairs, chat[-1]["content"]


def as_sent(messages: Sequence[Message], _no_text: str) -> list[Message]:
    """Keep every turn; tool results become user turns, since few templates have a role for them."""
    return [turn | {"role": "user"} if turn["role"] == "tool" else turn for turn in messages]


def fold_system(messages: Sequence[Message], no_text: str) -> list[Message]:
    """Move the text of a leading system turn to the start of the next turn.

    Args:
        messages: the chat.
        no_text: placeholder for an empty text, so that no template strips the white space after it.
    """
    turns = as_sent(messages, no_text)
    if len(turns) < 2 or turns[0]["role"] != "system":
        return turns
    system = turns[0]["content"] or no_text
    return [turns[1] | {"content": f"{system}{SEPARATION}{turns[1]['content']}"}, *turns[2:]]


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Move the text of a leading system turn to the start of the next turn; drop the turn if it is empty."""
    if len(messages) > 1 and messages[0]["role"] == "system" and not messages[0]["content"].strip():
        return list(messages[1:])
    return fold_system(messages, "")


def merge_after_system(messages: Sequence[Message], no_text: str) -> list[Message]:
    """Keep a leading system turn and make user and assistant alternate after it."""
    turns = as_sent(messages, no_text)
    first = turns[:1] if turns and turns[0]["role"] == "system" else []
    return [*first, *_alternating(turns[len(first) :], no_text)]


def merge_all(messages: Sequence[Message], no_text: str) -> list[Message]:
    """Make user and assistant alternate; the text of every system turn becomes part of a user turn."""
    return _alternating(as_sent(messages, no_text), no_text)


Arrange = Callable[[Sequence[Message], str], list[Message]]

ALTERNATIVES: tuple[Arrange, ...] = (as_sent, fold_system, merge_after_system, merge_all)
"""Arrangements to try, starting with the one that changes least."""


def _alternating(turns: Sequence[Message], no_text: str) -> list[Message]:
    merged: list[Message] = []
    for turn in turns:
        role = "assistant" if turn["role"] == "assistant" else "user"
        if not merged and role == "assistant":
            merged.append({"role": "user", "content": no_text})
        if merged and merged[-1]["role"] == role:
            texts = [text for text in (merged[-1]["content"], turn["content"]) if text]
            merged[-1] = {"role": role, "content": SEPARATION.join(texts)}
        else:
            merged.append({"role": role, "content": turn["content"]})
    return merged
