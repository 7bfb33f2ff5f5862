"""Questions that ask for the text itself: a summary, or what it says about something.

A small base that is adapted to short answers does neither well, so both are answered with the document's own sentences.
Of a summary they are those whose words are the most frequent in the document; of a topic those that name it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lorify.answering.sources import Decode, Source, sentences_of
from lorify.hypernets.associative.questions.words import word_stems
from lorify.hypernets.evidence import TokenEvidence

MAX_QUOTED_WORDS = 60
MIN_SENTENCE_WORDS = 5
"""Shorter pieces, mostly headings, are not quoted for a summary."""
SECOND_SHARE = 0.6
"""A second sentence is quoted if it has this share of the best one's score."""
FIRST_BONUS = 1.3
"""Factor of the score of a document's first sentence in a summary, which often says what it is about."""
MIN_TOPIC_SHARE = 0.5
"""A sentence is about a topic if it has this share of the weight of the topic's words."""

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
_FUNCTION_WORDS = word_stems(
    "a an the of in on at to for by with from and or but not no it its this that these those he she they his her their "
    "is are was were be been being do does did has have had can could will would shall should may might must there "
    "here as if than then so such about into over under between after before what which who whom whose when where why "
    "how all any"
)


@dataclass(frozen=True)
class Quote:
    """Sentences of a document that answer a question.

    Attributes:
        text: the sentences, in one line.
        source: where the first of them stands.
    """

    text: str
    source: Source


def asks_for_text(question: str) -> bool:
    """Return whether a question asks for a summary, or for what the text says about something."""
    return _SUMMARY.search(question) is not None or _TOPIC.search(question) is not None


def find_quote(question: str, evidence: Sequence[TokenEvidence], decode: Decode) -> Quote | None:
    """Find the sentences that answer a question for which `asks_for_text` is true.

    Args:
        question: the question.
        evidence: the documents that were asked.
        decode: token ids -> text.

    Returns:
        The sentences; None if no document keeps its tokens, or none has the words of the topic.
    """
    documents = [sentences_of(document, decode) for document in evidence]
    documents = [[s for s in sentences if s.sentence] for sentences in documents]
    if not any(documents):
        return None
    max_sentences = 1 if _ONE_SENTENCE.search(question) else 2
    if _SUMMARY.search(question):
        return _join([s for sentences in documents for s in _summarize(sentences, max_sentences)])
    topic = _TOPIC.search(question)
    assert topic is not None, "only questions that ask for text have a quote"
    return _join(_about(topic["topic"], [s for sentences in documents for s in sentences]))


def _summarize(sentences: Sequence[Source], max_sentences: int) -> list[Source]:
    """The sentences whose words are the most frequent in the document, in its order."""
    whole = [s for s in sentences if len(s.sentence.split()) >= MIN_SENTENCE_WORDS] or list(sentences)
    words = [_content(s.sentence) for s in whole]
    counts = Counter(word for each in words for word in each)
    scores = [sum(counts[word] - 1 for word in each) / math.sqrt(len(each) or 1) for each in words]
    if scores:
        scores[0] = FIRST_BONUS * scores[0] + 1e-6
    return _best(whole, scores, max_sentences, second_share=0.0)


def _about(topic: str, sentences: Sequence[Source]) -> list[Source]:
    """The sentences that have the words of a topic, rare ones before frequent ones."""
    words = [_content(s.sentence) for s in sentences]
    counts = Counter(word for each in words for word in each)
    weights = {word: math.log(1 + len(sentences) / counts[word]) for word in _content(topic) if counts[word]}
    scores = [
        sum(weights.get(word, 0.0) for word in each) + 0.1 * s.probability
        for s, each in zip(sentences, words, strict=True)
    ]
    if not weights or max(scores) < MIN_TOPIC_SHARE * sum(weights.values()):
        return []
    return _best(sentences, scores, 2, second_share=SECOND_SHARE)


def _best(sentences: Sequence[Source], scores: Sequence[float], number: int, *, second_share: float) -> list[Source]:
    """The best sentences in their order, as far as they have `MAX_QUOTED_WORDS` words together."""
    order = sorted(range(len(sentences)), key=lambda i: -scores[i])[:number]
    chosen: list[int] = []
    for i in order:
        num_words = sum(len(sentences[j].sentence.split()) for j in [*chosen, i])
        if not chosen or (num_words <= MAX_QUOTED_WORDS and scores[i] >= second_share * scores[order[0]]):
            chosen.append(i)
    return [sentences[i] for i in sorted(chosen)]


def _join(sentences: Sequence[Source]) -> Quote | None:
    if not sentences:
        return None
    return Quote(" ".join(" ".join(s.sentence.split()) for s in sentences), sentences[0])


def _content(text: str) -> set[str]:
    return word_stems(text) - _FUNCTION_WORDS
