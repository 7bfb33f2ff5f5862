"""Summaries and topics: a document's most typical sentences, and the sentences about a topic."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from lorify.answering.quotes.words import content_words, is_heading, is_prose, title_of
from lorify.answering.sources import Source

MAX_QUOTED_WORDS = 60
MAX_HEADER_LINES = 8
SECTION_SENTENCES = 3
"""A topic that is a heading is answered with this many sentences after it."""
SECOND_SHARE = 0.6
"""A second sentence is quoted if it has this share of the best one's score."""
FIRST_BONUS = 5
"""Score factor of a document's first sentence in a summary, since it often says what the document is about."""
MIN_TOPIC_SHARE = 0.5
"""A sentence is about a topic if it has this share of the weight of the topic's words."""

_SUBJECT = re.compile(r"^Subject:\s*(?:(?:re|fwd?|aw):\s*)*(.+)", re.IGNORECASE)
_ASKING = r"^\W*(?:(?:please|can you|could you|would you|will you|briefly|now)\b\W*)*"
_DOCUMENT = (
    r"(?:(?:this|the|that|whole|entire|above|attached)\W+)*"
    r"(?:it|this|that|all of it|everything|document|text|page|article|file|e-?mail|mail|letter|contract|agreement|"
    r"report|minutes|meeting|memo|notes?|readme|faq|recipe|handbook|guide|story|policy|manual|paper|post|message|passage|"
    r"contents?|biography|documentation)"
)
_FORM = (
    r"(?:\W+(?:briefly|in|with|using|of|to|for|me|a|an|one|two|three|few|short|single|sentences?|words?|brief|please|"
    r"nutshell))*\W*$"
)
_SUMMARIZE = rf"(?:summari[sz]e|sum up|condense)(?:\W+{_DOCUMENT})?(?:\W+up)?{_FORM}"
_GIVE_SUMMARY = (
    r"(?:(?:give|write|provide|make|show|offer)(?:\W+me)?\W+)?(?:(?:a|an|the|very|short|brief|quick|concise|"
    r"(?:one|two|single)[\W]sentence)\W+)*(?:summary|overview|gist|synopsis)\b"
    rf"(?:\W+(?:of|for|from)\W+{_DOCUMENT})?{_FORM}"
)
_MAIN_POINTS = (
    r"what(?:'s| is| are)\W+the (?:main|key|central|most important) (?:point|idea|message|topic|fact)s?"
    rf"(?:\W+(?:of|in)\W+{_DOCUMENT})?{_FORM}"
)
_WHAT_ABOUT = rf"what(?:'s| is| are| does)\W+{_DOCUMENT}\W+(?:(?:all|mainly|mostly)\W+)?(?:about|say|deal with){_FORM}"
_BRIEFLY = rf"(?:in (?:one|a few|a|two) (?:short )?(?:sentence|word|nutshell)s?|in short|briefly)\W+{_WHAT_ABOUT}"
_TLDR = r"tl;?dr\W*$"
_SUMMARY = re.compile(
    f"{_ASKING}(?:{'|'.join((_SUMMARIZE, _GIVE_SUMMARY, _MAIN_POINTS, _WHAT_ABOUT, _BRIEFLY, _TLDR))})", re.IGNORECASE
)
_SAYS_ABOUT = (
    r"what (?:does|do|did|is) [\w' -]{1,50}? "
    r"(?:say|says|said|state|stated|tell us|tell|mention|mentioned|write|written|known)(?: there| here)? "
    r"(?:about|on|regarding|concerning|of)"
)
_SAID_ABOUT = r"what is (?:said|stated|mentioned|written|known)(?: there| here)? (?:about|on|regarding|concerning)"
_TELL_ABOUT = (
    r"(?:what (?:can|could) you tell me|tell me(?: something| more| everything| all)?|"
    r"what do (?:we|you|i) (?:know|learn)) about"
)
_SUM_UP = r"(?:summari[sz]e|sum up)(?: the (?:part|section|passage|paragraph|rules?) (?:about|on|for|of))?"
_SHOW = r"(?:quote|show)(?: me)? (?:the|what) [\w' -]{1,40}? (?:about|on|says about)"
_TOPIC = re.compile(
    rf"{_ASKING}(?:{'|'.join((_SAYS_ABOUT, _SAID_ABOUT, _TELL_ABOUT, _SUM_UP, _SHOW))}) (?P<topic>.+?)\W*$",
    re.IGNORECASE,
)
_ONE_SENTENCE = re.compile(r"\b(?:one|a|single)[\s-](?:single |short )?sentence\b|\bone-sentence\b", re.IGNORECASE)


def asks_for_summary(question: str) -> bool:
    """Return whether a question asks what a document says as a whole."""
    return _SUMMARY.search(question) is not None


def asks_for_topic(question: str) -> bool:
    """Return whether a question asks what a document says about something."""
    return _TOPIC.search(question) is not None


def find_summary(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the title of each document and the sentences with its most frequent words.

    Args:
        question: the question, which may ask for one sentence.
        documents: the sentences of each document.
    """
    number = 1 if _ONE_SENTENCE.search(question) else 3
    found = [(_title(sentences), _summarize(sentences, number)) for sentences in documents if sentences]
    if not found:
        return None
    texts = [text for title, sentences in found for text in ([f"{title}:"] if title else []) + _texts(sentences)]
    return " ".join(texts), found[0][1][0]


def find_topic(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the sentences about a topic; None if there are none.

    Args:
        question: a question for which `asks_for_topic` is true.
        documents: the sentences of each document.
    """
    topic = _TOPIC.search(question)
    assert topic is not None
    found = _about(topic["topic"], [sentence for sentences in documents for sentence in sentences])
    if len(found) == 1:
        found = _section(found[0], documents) or found
    return (" ".join(_texts(found)), found[0]) if found else None


def _title(sentences: Sequence[Source]) -> str | None:
    """The title of a document, or the subject of a mail."""
    subjects = (_SUBJECT.match(s.sentence) for s in sentences[:MAX_HEADER_LINES])
    subject = next((match[1] for match in subjects if match), None)
    return subject or title_of(sentences[0].sentence)


def _summarize(sentences: Sequence[Source], max_sentences: int) -> list[Source]:
    """The sentences with the document's most frequent words, in document order."""
    whole = [s for s in sentences if is_prose(s.sentence)] or list(sentences)
    words = [content_words(s.sentence) for s in whole]
    counts = Counter(word for s in sentences for word in content_words(s.sentence))
    scores = [sum(counts[word] - 1 for word in each) / math.sqrt(len(each) or 1) for each in words]
    scores[0] = FIRST_BONUS * scores[0] + 1e-6
    return _best(whole, scores, max_sentences, second_share=0.0)


def _section(heading: Source, documents: Sequence[Sequence[Source]]) -> list[Source]:
    """The sentences after a heading; none if this is not a heading."""
    document = next(sentences for sentences in documents if any(s is heading for s in sentences))
    start = next(i for i, s in enumerate(document) if s is heading) + 1
    if not is_heading(heading.sentence) and title_of(heading.sentence) is None:
        return []
    return list(takewhile(lambda s: not is_heading(s.sentence), document[start : start + SECTION_SENTENCES]))


def _about(topic: str, sentences: Sequence[Source]) -> list[Source]:
    """The sentences with the words of a topic; rare words weigh more."""
    words = [content_words(s.sentence) for s in sentences]
    counts = Counter(word for each in words for word in each)
    # A word that is not in the documents weighs as much as their rarest word.
    weights = {word: math.log(1 + len(sentences) / max(1, counts[word])) for word in content_words(topic)}
    scores = [
        sum(weights.get(word, 0.0) for word in each) + 0.1 * s.probability
        for s, each in zip(sentences, words, strict=True)
    ]
    if not weights or max(scores) < MIN_TOPIC_SHARE * sum(weights.values()):
        return []
    return _best(sentences, scores, 2, second_share=SECOND_SHARE)


def _best(sentences: Sequence[Source], scores: Sequence[float], number: int, *, second_share: float) -> list[Source]:
    """The best sentences in document order, with at most `MAX_QUOTED_WORDS` words in total unless one is longer."""
    order = sorted(range(len(sentences)), key=lambda i: -scores[i])[:number]
    chosen: list[int] = []
    for i in order:
        num_words = sum(len(sentences[j].sentence.split()) for j in [*chosen, i])
        if not chosen or (num_words <= MAX_QUOTED_WORDS and scores[i] >= second_share * scores[order[0]]):
            chosen.append(i)
    return [sentences[i] for i in sorted(chosen)]


def _texts(sentences: Sequence[Source]) -> list[str]:
    return [" ".join(s.sentence.split()) for s in sentences]
