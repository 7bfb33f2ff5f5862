"""Questions that refer back to the ones before them in a chat (`And when did she join it?`)."""

from __future__ import annotations

import re

from lorify.base.chat.acronyms import mask_acronyms

# English only, like the stemmer of the relevance score. "There" and "that" inside a question are left out, since they
# rarely refer back ("the house that Ada built"); "that" at the end does ("Who was that?").
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

_MAY_REFER_BACK = re.compile(
    r"^\W*(?:and|but|so|or|then)\b"
    r"|\b(?:there|that|then|else|exactly|so|reason)\W*$"
    r"|\b(?:else|the other|the others|another)\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|am|do|does|did|has|have|had|can|could|may|might|must|will|would|shall|should|'s|'re|"
    r"tell|list|name|describe|explain|say|give|show|write|summari[sz]e)\b",
    re.IGNORECASE,
)
# Too short to be clear without a name: "Who was missing?", "Where exactly?", "What was decided?".
_BARE = re.compile(
    r"^\W*(?:(?:[Aa]nd|[Bb]ut|[Ss]o) )?"
    r"(?:(?:[Ww]hom?|[Ww]hen|[Ww]here|[Ww]hy|[Hh]ow)(?: [a-z']+){1,2}"
    r"|[Ww]hat (?:happened|went wrong|changed|(?:is|are|was|were|has been|have been) [a-z]+(?:ed|en)))\W*$"
)
MAX_FRAGMENT_WORDS = 6


def refers_back(question: str) -> bool:
    """Return whether a question needs the one before it."""
    return _REFERS_BACK.search(mask_acronyms(question)) is not None


def may_refer_back(question: str) -> bool:
    """Return whether a question may need the one before it: it refers back, has no verb (`What for?`), starts or ends
    with a word that often refers back (`And when does it end?`), or is a few words without a name (`Who won?`)."""
    question = mask_acronyms(question)
    is_fragment = len(question.split()) <= MAX_FRAGMENT_WORDS and _VERB.search(question) is None
    may = (refers_back(question), _MAY_REFER_BACK.search(question), _BARE.search(question))
    return is_fragment or any(may)


def earlier_questions(question: str) -> list[str]:
    """Split off the earlier questions of a chat whose later questions refer back, one question per line.

    Args:
        question: the questions of a chat, as joined by `lorify.answering.questions.last_question`.

    Returns:
        The first line, the first two, and so on, except all lines; empty if a line after the first stands alone.
    """
    lines = question.split("\n")
    if not all(map(refers_back, lines[1:])):
        return []
    return ["\n".join(lines[:end]) for end in range(1, len(lines))]
