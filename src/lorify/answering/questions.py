"""Find the question in a chat: what relevance and focus compare with the documents of an adapter."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorify.base.chat import Message

# English only, like the stemmer of the relevance score. "There" is left out, and "that" inside of a question: they
# rarely refer back ("the house that Ada built"), but "that" at the end does ("Who was that?").
_REFERS_BACK = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|this|these|those)\b"
    r"|^(?:and |but )?(?:what|how) about\b"
    r"|^(?:and|so|since|by|until|from|then|who|whom|whose|what|when|where|which|why|how|not|else|\W)+$"
    r"|^\W*(?:(?:and|but|so) )?(?:who|what|when|where|which|why|how)\b.*\b(?:that|then|one|ones)\W*$"
    r"|^\W*(?:(?:and|but|so) )?how (?:much|many|long|old|far|often|high|big|large|deep|tall|late|early)(?: \w+)?\W*$"
    r"|^\W*(?:and |but |so )?(?:in|on|at|by|for|with|from|to|of|since|until) (?:which|what|whom|whose)(?: \w+)?\W*$"
    # Nothing but a name, a place or a time: "And in winter?"
    r"|^\W*(?:and|but|or)\b(?!.*\b(?:is|are|was|were|do|does|did|has|have|had|can|may|must|will|would|should)\b)",
    re.IGNORECASE,
)


def last_question(messages: Sequence[Message]) -> str:
    """Return the last question of a chat with the context that it needs.

    That is the last user turn. If it refers back (`When did she join it?`), the user turns before it are included, up
    to one that stands alone.

    Args:
        messages: turns with `role` and `content`.

    Returns:
        The user turns, one per line; empty if there is none.
    """
    turns = [message["content"] for message in messages if message["role"] == "user"]
    start = max(len(turns) - 1, 0)
    while start > 0 and _REFERS_BACK.search(turns[start]):
        start -= 1
    return "\n".join(turns[start:])
