"""Questions that refer back to the ones before them in a chat (`And when did she join it?`)."""

from __future__ import annotations

import re

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


def refers_back(question: str) -> bool:
    """Return whether a question needs the one before it."""
    return _REFERS_BACK.search(question) is not None


def earlier_questions(question: str) -> list[str]:
    """List the beginnings of a question that consists of several, one per line, the later of which refer back.

    Args:
        question: the question, as `lorify.answering.questions.last_question` joins those of a chat.

    Returns:
        The first line, the first two, and so on, without the whole; none if a line after the first stands alone.
    """
    lines = question.split("\n")
    if not all(map(refers_back, lines[1:])):
        return []
    return ["\n".join(lines[:end]) for end in range(1, len(lines))]
