"""Sections: if a document itself asks the question, in a heading or a line, the text after it is the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lorify.answering.quotes.words import content_words, is_heading
from lorify.answering.sources import is_question
from lorify.contexts.texts.chunking import split_into_sentences

MIN_SIMILARITY = 0.75
"""Two questions are the same if they share this fraction of all their words, and use the same question word."""
MAX_WORDS = 40
"""Maximum number of words of a quoted answer, unless its first sentence is longer."""
_ASKING = re.compile(r"\b(?:who|whom|whose|what|when|where|which|why|how)\b", re.IGNORECASE)
_HOW_TO = re.compile(
    r"^\W*(?:(?:and|so) )?how (?:do|does|did|can|could|should|must|shall|to|is|are|will)\b", re.IGNORECASE
)
_ANSWER = re.compile(r"^A(?:nswer)?[:.]\s+")
_ITEM = re.compile(r"(?:[-*•–+]|\(?\w{1,3}[.)])\s|[^:;]{1,40}: [^;]*; ")


@dataclass(frozen=True)
class Section:
    """A question in a document and the answer that follows it.

    Attributes:
        question: the line with the question.
        sentences: the sentences of the paragraph after it, at least one.
    """

    question: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The answer in one line."""
        return " ".join(self.sentences)

    def answer(self, question: str, words: str) -> str:
        """Return the answer to a question.

        Args:
            question: the question.
            words: the extractor's answer to it; empty if it is not sure.
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
    """Find the answer to a question that the text itself asks; a list or a table does not count.

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
    """Whether a line asks the same question; words of the document's title are ignored, as they do not distinguish."""
    asking = [found and found[0].lower() for found in (_ASKING.search(question), _ASKING.search(line))]
    if asking[0] != asking[1]:
        return False
    words, own = content_words(question), content_words(line) - content_words("Q")
    words, own = words - title or words, own - title or own
    return bool(words) and len(words & own) >= MIN_SIMILARITY * len(words | own)
