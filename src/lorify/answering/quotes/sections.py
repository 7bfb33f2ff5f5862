"""Sections: a question that a document asks itself, in a heading or a line, is answered by what follows it there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lorify.answering.quotes.words import content_words, is_heading
from lorify.answering.sources import is_question
from lorify.contexts.texts.chunking import split_into_sentences

MIN_SIMILARITY = 0.75
"""Two questions are the same if they share this part of all their words, and ask with the same word."""
MAX_WORDS = 40
"""Maximum number of words of an answer that is quoted whole, unless its first sentence is longer."""
_ASKING = re.compile(r"\b(?:who|whom|whose|what|when|where|which|why|how)\b", re.IGNORECASE)
_HOW_TO = re.compile(
    r"^\W*(?:(?:and|so) )?how (?:do|does|did|can|could|should|must|shall|to|is|are|will)\b", re.IGNORECASE
)
_ANSWER = re.compile(r"^A(?:nswer)?[:.]\s+")
_ITEM = re.compile(r"(?:[-*•–+]|\(?\w{1,3}[.)])\s|[^:;]{1,40}: [^;]*; ")


@dataclass(frozen=True)
class Section:
    """What a document answers to a question of its own.

    Attributes:
        question: the line that asks.
        sentences: the sentences of the paragraph after it, at least one.
    """

    question: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The answer in one line."""
        return " ".join(self.sentences)

    def answer(self, question: str, words: str) -> str:
        """The answer to a question.

        Args:
            question: the question.
            words: the words with which an extractor answers it; empty if it is not sure.
        """
        if words and not _HOW_TO.search(question):
            return words
        taken = [self.sentences[0]]
        for sentence in self.sentences[1:] if _HOW_TO.search(question) else ():
            if len(" ".join([*taken, sentence]).split()) > MAX_WORDS:
                break
            taken.append(sentence)
        return " ".join(taken)


def find_section(question: str, text: str) -> Section | None:
    """Find the answer of a text to a question that it asks itself; a list or a table is none.

    Args:
        question: the question.
        text: a text.
    """
    lines = [line.strip() for line in text.split("\n")]
    title = content_words(lines[0]) if lines else set[str]()
    for i, line in enumerate(lines):
        if (is_question(line) or is_heading(line)) and _is_same(question, line, title):
            following = next((n for n in range(i + 1, len(lines)) if lines[n]), len(lines))
            body: list[str] = []
            for each in lines[following:]:
                if not each or is_question(each) or is_heading(each):
                    break
                body.append(each)
            if not body or _ITEM.match(body[0]):
                return None
            sentences = [
                " ".join(s.split()) for s in split_into_sentences(_ANSWER.sub("", " ".join(body))) if s.strip()
            ]
            return Section(line, tuple(sentences)) if sentences else None
    return None


def _is_same(question: str, line: str, title: set[str]) -> bool:
    """Whether a line asks a question; the words of a document's title tell no questions apart."""
    asking = [found and found[0].lower() for found in (_ASKING.search(question), _ASKING.search(line))]
    if asking[0] != asking[1]:
        return False
    words, own = content_words(question), content_words(line) - content_words("Q")
    words, own = words - title or words, own - title or own
    return bool(words) and len(words & own) >= MIN_SIMILARITY * len(words | own)
