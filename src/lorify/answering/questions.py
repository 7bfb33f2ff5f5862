"""Find the question in a chat that relevance and focus compare with the documents of an adapter."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorify.base.chat.acronyms import mask_acronyms
from lorify.base.chat.follow_ups import may_refer_back, refers_back
from lorify.base.chat.prompts import Message

_NAME = re.compile(r"(?:[Tt]he )?[^\W\d_a-z][\w'.-]*(?: (?:of|the|de|von|van|[^\W\d_a-z][\w'.-]*)){0,4}")
_VERDICT = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"\b(?:his|its|their)\b|\bher(?= [a-z])", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:he|she|him|her|it|they|them)\b", re.IGNORECASE)


def last_question(messages: Sequence[Message]) -> str:
    """Return the last question of a chat, with the context it needs.

    This is the last user turn. If it refers to a name in the last answer, the pronoun is replaced by the name (`Where
    was he born?` after `Ada Berg`). If it refers back in another way (`And when?`), the user turns before it are
    included, back to one that stands alone.

    Args:
        messages: turns with `role` and `content`.

    Returns:
        The user turns, one per line; empty if there is none.
    """
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    turns = [messages[number]["content"] for number in asked]
    start = max(len(turns) - 1, 0)
    while start > 0 and refers_back(turns[start]):
        before = messages[asked[start] - 1]
        named = _with_name(turns[start], before["content"]) if before["role"] == "assistant" else None
        if named is not None:
            return "\n".join([named, *turns[start + 1 :]])
        start -= 1
    return "\n".join(turns[start:])


def turns_of_follow_up(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the turns of a chat up to its last question if that may refer back; none if it stands alone.

    Args:
        messages: turns with `role` and `content`.
    """
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    if len(asked) < 2 or not may_refer_back(messages[asked[-1]]["content"]):
        return ()
    return tuple(messages[: asked[-1] + 1])


def _with_name(question: str, answer: str) -> str | None:
    """Replace a pronoun by the name in the last answer; None without a name or a pronoun."""
    name = answer.strip().removesuffix(".")
    if not _NAME.fullmatch(name) or _VERDICT.match(name):
        return None
    for pronoun, words in ((_POSSESSIVE, f"{name}'s"), (_PRONOUN, name)):
        if found := pronoun.search(mask_acronyms(question)):
            return question[: found.start()] + words + question[found.end() :]
    return None
