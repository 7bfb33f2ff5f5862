"""Content words, and the sentence of a question that asks."""

from __future__ import annotations

import re

from lorify.answering.sources import is_question
from lorify.base.chat.acronyms import ACRONYMS, find_acronyms
from lorify.contexts.texts.chunking import split_into_sentences
from lorify.contexts.texts.words import word_stems

_FUNCTION_TEXT = (
    "a an the of in on at to for by with from and or but not no it its this that these those he she they his her their "
    "is are was were be been being do does did has have had can could will would shall should may might must there "
    "here as if than then so such about into over under between after before what which who whom whose when where why "
    "how all any i you we me us my your our"
)
FUNCTION_WORDS = frozenset(_FUNCTION_TEXT.split())
_FUNCTION_STEMS = word_stems(_FUNCTION_TEXT)

MIN_PROSE_WORDS = 5
MAX_TITLE_WORDS = 12
_HEADING = re.compile(r"^(?:#+\s|\*\*[^*]+\*\*\W*$)")
_FIELD = re.compile(r"^[-*•]?\s*[A-Z]\S*(?: \S+){0,2}:\s")
_NOT_PROSE = re.compile(r"^(?:[>|`\[{(]|[-*•+]\s|\(?\w{1,3}[.)]\s|https?:)")
_MARKS = re.compile(r"^[#*_\s]+|[*_\s]+$")


def last_sentence(question: str) -> str:
    """Return the last sentence of a question; the sentences before it give context."""
    return ([""] + [piece.strip() for piece in split_into_sentences(question)])[-1]


def content_words(text: str) -> set[str]:
    """Collect the stems of the words of a text, without function words but with acronyms spelled like them."""
    return (word_stems(text) - _FUNCTION_STEMS) | find_acronyms(text)


def is_function_word(word: str) -> bool:
    """Return whether a word carries no content; IT in capitals does carry it."""
    return word.casefold() in FUNCTION_WORDS and word not in ACRONYMS


def is_heading(sentence: str) -> bool:
    """Return whether a line is marked as a heading in Markdown."""
    return _HEADING.match(sentence) is not None


def is_prose(sentence: str) -> bool:
    """Return whether a line is a whole sentence: no heading, item, table row, quoted line, field or question."""
    return (
        len(sentence.split()) >= MIN_PROSE_WORDS
        and sentence[-1] in ".!…\"'”)"
        and not (is_question(sentence) or _HEADING.match(sentence) or _FIELD.match(sentence))
        and _NOT_PROSE.match(sentence) is None
    )


def title_of(line: str) -> str | None:
    """Return the words of a document's first line if it is a title."""
    words = _MARKS.sub("", line)
    is_title = 0 < len(words.split()) <= MAX_TITLE_WORDS and words[-1] not in ".!?:,;" and not _FIELD.match(line)
    return words if is_title else None
