"""Spans: a question for a name, a date or another short answer is answered with words of the documents.

The hypernetwork's reader proposes a span, and an extractor proposes one from the passages that the reader points to.
The more probable one is taken. Yes/no questions are answered with a verdict, if the extractor finds that the documents
answer them. If a document itself asks the question, the text after it is the answer.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import accumulate
from typing import NamedTuple

from lorify.answering.quotes.cells import find_cell
from lorify.answering.quotes.defined_terms import with_defined_names
from lorify.answering.quotes.headers import find_header
from lorify.answering.quotes.opening_hours import find_opening_hours, may_ask_for_hours, without_other_day
from lorify.answering.quotes.sections import Section, find_section
from lorify.answering.quotes.stated_answer import StatedAnswer
from lorify.answering.quotes.verdicts import find_verdict
from lorify.answering.quotes.whole_words import whole_words
from lorify.answering.quotes.words import content_words, last_sentence
from lorify.base.token_texts import Decode, token_texts
from lorify.contexts.texts.chunking import split_into_sentences
from lorify.data.answers import contains_answer
from lorify.extraction.extractor import ExtractedWords, Extractor
from lorify.hypernets.associative.questions.table_keys import without_other_rows
from lorify.hypernets.evidence import AnswerSpan, TokenEvidence, superseded_documents

MIN_SPAN_PROBABILITY = 0.05
"""Less probable words are not quoted; the base answers with the focused adapter instead."""
MIN_ANSWER_PROBABILITY = 0.05
"""A document is only quoted if one of its tokens belongs to the answer with at least this probability."""
VERDICT_PRECISION = 0.75
"""Approximate precision of verdicts; the probability of one if the documents certainly answer the question."""
PASSAGE_TOKENS = 320
PASSAGE_OVERLAP = 64
"""Long documents are read in passages of `PASSAGE_TOKENS` tokens that overlap by this many."""
MAX_PASSAGES = 4
"""The extractor reads at most this many passages for a question, which bounds its time."""
NEIGHBOUR_TOKENS = 80
"""Tokens to either side of the reader's span that are searched for the rest of its first and last word."""
MIN_VERDICT = 0.2
"""A yes/no question with a less likely verdict is answered with words, as in "Do you share data?"."""
MIN_OPEN_VERDICT = 0.5
"""The same for questions that more often ask for words, such as "Can you tell ...?"."""
MIN_SECTION_PROBABILITY = 0.3
"""If the extractor's words in the paragraph after the question are less probable, its first sentence is quoted."""
MAX_GIVEN_WORDS = 6
"""Answers from earlier in the chat that have at most this many words are not repeated."""
_WH_WORD = re.compile(r"\b(?:who|whom|whose|what|when|where|which|how)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|will|would|should|shall|may|might|must|has|have|had)(?:n['’]t)?\b",
    re.IGNORECASE,
)
_REST_OF_QUESTION = re.compile(r"[^.!?\n]*\?[*_ ]*(?:\n|$)")
# Questions in yes/no form, some of which ask for words.
_OPEN = re.compile(r"^\W*(?:can|could|would|will|do) (?:you|we)\b|\bor\b(?! not\b)", re.IGNORECASE)
_PROFESSION = re.compile(
    r"\b(?P<what>what) (?P<verb>is|was|does|did) (?P<person>he|she)(?P<do> do(?: for a living)?)?\?$", re.IGNORECASE
)
_POSSESSIVES = {"he": "his", "she": "her"}
_WHO = re.compile(r"\W*(?:and )?who\b", re.IGNORECASE)
_POLITE = re.compile(r"\b(?:tell|know|say|show|explain|remember)\b", re.IGNORECASE)


def asks_for_words(question: str) -> bool:
    """Return whether words of a document may answer a question: no yes/no question, and no request to write."""
    last = last_sentence(without_other_day(question))
    found = _WH_WORD.search(last)
    if found is None or not (last.endswith("?") or found.start() == 0):
        return False
    return _YES_OR_NO.match(last) is None or _POLITE.search(last[: found.start()]) is not None


def asks_for_verdict(question: str) -> bool:
    """Return whether this is a yes/no question.

    `And on Monday?` is one if the previous question is.
    """
    question = without_other_day(question)
    last = last_sentence(question)
    return last.endswith("?") and _YES_OR_NO.match(last) is not None and not asks_for_words(question)


def ask_for_profession(question: str) -> str:
    """Rewrite "What was she?" and "What does he do?" to ask for the profession, since extractors saw few of them."""

    def replaced(found: re.Match[str]) -> str:
        if (found["verb"] in ("does", "did")) != bool(found["do"]):
            return found[0]
        be = "was" if found["verb"] in ("was", "did") else "is"
        return f"{found['what']} {be} {_POSSESSIVES[found['person'].lower()]} profession?"

    return _PROFESSION.sub(replaced, question)


class AskedDocuments(NamedTuple):
    """A question, and what the reader found in the documents for it.

    Attributes:
        question: the question.
        documents: what the reader found in each document.
        question_in_chat: the question with the turns before it, for the extractor; empty if it stands alone.
        given: the answers in those turns.
    """

    question: str
    documents: Sequence[TokenEvidence]
    question_in_chat: str = ""
    given: Sequence[str] = ()


class FoundSpan(NamedTuple):
    """Words or a verdict that answer a question.

    Attributes:
        text: words of a document in one line, or a verdict.
        probability: how likely they are the answer.
        sentence: the sentence that a verdict is based on, or the paragraph after the question; empty for other words.
        is_certain: whether the document states it explicitly: after the same question, in a table or in opening hours.
    """

    text: str
    probability: float
    sentence: str = ""
    is_certain: bool = False


class Finding(NamedTuple):
    """The documents' answer to a question.

    Attributes:
        span: words that are certain enough to be quoted; None if there are none.
        stated: how likely the documents answer the question; None if no extractor has read them.
    """

    span: FoundSpan | None
    stated: float | None = None


def find_spans(asked: Sequence[AskedDocuments], decode: Decode, extractor: Extractor | None = None) -> list[Finding]:
    """Find the words of documents that answer questions, with the reader and the extractor.

    Args:
        asked: the questions with their documents.
        decode: token ids -> text.
        extractor: reads the questions with passages of the documents; None: the reader alone.

    Returns:
        What was found for each question.
    """
    extracted = [Finding(None)] * len(asked) if extractor is None else _extract(extractor, asked, decode)
    return [
        found
        if asks_for_verdict(each.question) or (found.span is not None and found.span.is_certain)
        else found._replace(span=_more_probable(found.span, _new_span(each, decode)))
        for found, each in zip(extracted, asked, strict=True)
    ]


def _short(answers: Sequence[str]) -> list[str]:
    """The short answers among those given before; a long one, such as a sentence, may contain the next answer too."""
    return [answer for answer in answers if len(answer.split()) <= MAX_GIVEN_WORDS]


def _new_span(asked: AskedDocuments, decode: Decode) -> FoundSpan | None:
    """The reader's span; None if it contains an answer given before, or is part of one."""
    span, given = find_span(asked.documents, decode, asked.question), _short(asked.given)
    if span is None or contains_answer(span.text, given):
        return None
    return None if any(contains_answer(answer, [span.text]) for answer in given) else span


def _more_probable(extracted: FoundSpan | None, read: FoundSpan | None) -> FoundSpan | None:
    """The more probable of the two spans; if they are equal, the answer is wrong only if both models are."""
    if extracted is None or read is None:
        return extracted or read
    if extracted.text == read.text:
        return FoundSpan(read.text, 1 - (1 - extracted.probability) * (1 - read.probability))
    return max(extracted, read, key=lambda span: span.probability)


def find_span(evidence: Sequence[TokenEvidence], decode: Decode, question: str = "") -> FoundSpan | None:
    """Find the words of documents that most likely answer a question.

    Args:
        evidence: the documents that were asked.
        question: the question.
        decode: token ids -> text.

    Returns:
        The words; None if the reader did not find any with enough certainty.
    """
    # There is always a most likely span, even if no token belongs to an answer.
    found = [
        (document.span.probability * document.best, document.span, document.ids)
        for document in evidence
        if document.span is not None
        and document.span.probability >= MIN_SPAN_PROBABILITY
        and document.best >= MIN_ANSWER_PROBABILITY
    ]
    if not found:
        return None
    _, span, ids = max(found, key=lambda item: item[0])
    text = _words_of(ids, span, decode, question)
    return FoundSpan(text, span.probability) if text else None


def _words_of(ids: Sequence[int], span: AnswerSpan, decode: Decode, question: str) -> str:
    """The text of a token span, extended to whole words, numbers and addresses."""
    first = max(0, span.begin - NEIGHBOUR_TOKENS)
    pieces = list(token_texts(ids[first : span.end + NEIGHBOUR_TOKENS], decode))
    begin, end = (len("".join(pieces[: token - first])) for token in (span.begin, span.end))
    return _quoted("".join(pieces), begin, end, question)


def _quoted(text: str, begin: int, end: int, question: str) -> str:
    """Words of a text in one line; empty if they are in a line that asks a question."""
    if _REST_OF_QUESTION.match(text, end):
        return ""
    begin, end = whole_words(text, begin, end, question)
    words = " ".join(text[begin:end].split())
    return "" if _is_asked_thing(words, question) else words


def _is_asked_thing(words: str, question: str) -> bool:
    """Whether a question asks who and the words only repeat its object: `gas boiler` is not who services it."""
    last = words.split()[-1:]
    is_thing = bool(last) and last[0].islower()
    return is_thing and bool(_WHO.match(question)) and content_words(last[0]) <= content_words(question)


def _extract(extractor: Extractor, asked: Sequence[AskedDocuments], decode: Decode) -> list[Finding]:
    """Find answers by reading each question together with the passages that the reader points to."""
    stated: list[StatedAnswer | None] = []
    passages: list[list[_Passage]] = []
    for each in asked:
        text_of = _decoded_once(each.documents, decode)
        known = _find_stated(each.question, map(text_of, reversed(range(len(each.documents)))))
        found = [] if known else _passages(each.question, each.documents, text_of, decode)
        stated.append(known)
        passages.append(_section_or_passages(each.question, found))
    each_passage = [(each, passage) for each, own in zip(asked, passages, strict=True) for passage in own]
    pairs = [
        (ask_for_profession(each.question_in_chat or each.question), passage.text) for each, passage in each_passage
    ]
    words = iter(extractor.find(pairs, [_short(each.given) for each, _ in each_passage]))
    findings: list[Finding] = []
    for question, own, known in zip(asked, passages, stated, strict=True):
        if known is not None:
            findings.append(Finding(FoundSpan(known.text, 1.0, known.sentence, is_certain=True), 1.0))
            continue
        read = partial(_answer, question.question)
        # The extractor sees one passage at a time, but the reader has seen them all.
        found = [
            (answer._replace(probability=passage.share * answer.probability), passage.share * likely)
            for passage, each in zip(own, words, strict=False)
            if each is not None
            for answer, likely in [read(passage, each)]
        ]
        span = max((span for span, _ in found if span.text), key=lambda span: span.probability, default=None)
        if span is not None and span.probability < MIN_SPAN_PROBABILITY:
            span = None
        findings.append(Finding(span, max((likely for _, likely in found), default=None)))
    return findings


def _decoded_once(documents: Sequence[TokenEvidence], decode: Decode) -> Callable[[int], str]:
    """A function from a document's number to its whole text, which is decoded on first use."""
    return cache(lambda number: decode(documents[number].ids))


def _find_stated(question: str, texts: Iterable[str]) -> StatedAnswer | None:
    """The cell or opening hours that a question asks for, from the first text that states them."""
    if not (asks_for_words(question) or may_ask_for_hours(question)):
        return None
    found = (find_opening_hours(question, text) or find_cell(question, text) for text in texts)
    return next((each for each in found if each is not None), None)


def _answer(question: str, passage: _Passage, found: ExtractedWords) -> tuple[FoundSpan, float]:
    """Answer a question from a passage.

    Returns:
        The answer, and how likely the passage answers the question.
    """
    text, section = passage.text, passage.section
    if asks_for_verdict(question) and found.verdict >= _min_verdict(question, section):
        verdict = find_verdict(question, text, found.begin, found.end)
        if verdict is None:
            return FoundSpan("", 0.0), found.stated
        stated = 1.0 if section else found.stated
        return FoundSpan(verdict.answer, stated * VERDICT_PRECISION, verdict.sentence, section is not None), stated
    words = _quoted(text, found.begin, found.end, question)
    if section is None:
        return FoundSpan(words, found.probability), found.stated
    answer = section.answer(question, words if found.probability >= MIN_SECTION_PROBABILITY else "")
    return FoundSpan(answer, 1.0, section.text, is_certain=True), 1.0


def _min_verdict(question: str, section: Section | None) -> float:
    """Minimum probability of a verdict for a question in yes/no form, in a passage or in the answer after it."""
    if _OPEN.search(last_sentence(question)):
        return MIN_OPEN_VERDICT
    return MIN_VERDICT if section is None else 0.0


class _Passage(NamedTuple):
    """A part of a document that the extractor reads.

    Attributes:
        text: the part.
        share: the reader's probability of its best token, relative to the best token of all passages.
        section: the question in the document and its answer, if this is one.
    """

    text: str
    share: float
    section: Section | None = None


def _section_or_passages(question: str, passages: list[_Passage]) -> list[_Passage]:
    """The answer after the same question in a document; the passages if there is none."""
    for passage in passages:
        section = find_header(question, passage.text) or find_section(question, passage.text)
        if section is not None:
            is_verdict = asks_for_verdict(question)
            text = f"{section.question}\n{section.text}" if is_verdict else section.text
            return [_Passage(text, 1.0, section)]
    return passages


def _passages(
    question: str, documents: Sequence[TokenEvidence], text_of: Callable[[int], str], decode: Decode
) -> list[_Passage]:
    """The passages of documents that most likely answer a question, according to the reader.

    Rows of tables that the question is not about are left out. `text_of` gives the whole text of a document.
    """
    earlier = superseded_documents([each.best for each in documents], [each.overlap for each in documents])
    passages: list[tuple[float, int, range]] = []
    for number, document in enumerate(documents):
        last = max(1, len(document.ids) - PASSAGE_OVERLAP)
        for start in range(0, last if number not in earlier else 0, PASSAGE_TOKENS - PASSAGE_OVERLAP):
            part = range(start, min(start + PASSAGE_TOKENS, len(document.ids)))
            if part:
                passages.append((document.probabilities[part.start : part.stop].max().item(), number, part))
    chosen = heapq.nlargest(MAX_PASSAGES, passages, key=lambda passage: passage[0])
    best = max((probability for probability, *_ in chosen), default=0.0)
    asks_who = _WHO.match(last_sentence(question)) is not None
    texts: dict[int, Iterator[str]] = {}
    for number in {number for _, number, _ in chosen}:
        parts = [_whole_sentences(documents[number].ids, part, decode) for _, own, part in chosen if own == number]
        parts = without_other_rows(question, text_of(number), parts)
        texts[number] = iter(
            [with_defined_names(part, text_of(number), question) for part in parts] if asks_who else parts
        )
    return [_Passage(next(texts[number]), probability / best if best else 1.0) for probability, number, _ in chosen]


def _whole_sentences(ids: Sequence[int], part: range, decode: Decode) -> str:
    """The text of a part of a document, extended to whole sentences if they are not too long."""
    begin = max(0, part.start - NEIGHBOUR_TOKENS)
    text = decode(ids[begin : part.stop + NEIGHBOUR_TOKENS])
    first = len(decode(ids[begin : part.start])) if part.start else 0
    last = len(decode(ids[begin : part.stop]))
    bounds = [0, *accumulate(map(len, split_into_sentences(text)))]
    begins = bounds if begin == 0 else bounds[1:]
    ends = bounds if part.stop + NEIGHBOUR_TOKENS >= len(ids) else bounds[:-1]
    first = max((bound for bound in begins if bound <= first), default=first)
    last = min((bound for bound in ends if bound >= last), default=last)
    return text[first:last].strip("\n")
