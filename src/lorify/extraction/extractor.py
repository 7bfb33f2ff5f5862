"""The extractor: find the words of a text that answer a question.

Shape letters: N inputs, T tokens of an input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lorify.extraction.config import ExtractorConfig
from lorify.extraction.inputs import ExtractorInput, encode_inputs, stack_inputs
from lorify.extraction.model import FORMS, ExtractorLogits, ExtractorNetwork

MAX_SPAN_TOKENS = 40
"""Longest answer, in tokens of the encoder; training answers have up to 60 characters."""
REPEATED_PENALTY = -4.0
"""Added to the log-probability of words that answered an earlier question of the chat. The other words gain what these
lose."""
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
BATCH_INPUTS = 16
"""Number of inputs per batch."""


class ExtractedWords(NamedTuple):
    """Words of a text that answer a question.

    Attributes:
        begin: index of the first character.
        end: index after the last character.
        probability: probability of these words, among all spans of the text and "no answer".
        stated: probability that the text answers the question.
        verdict: probability that the answer is yes or no instead of words, if the text answers the question.
    """

    begin: int
    end: int
    probability: float
    stated: float
    verdict: float = 0.0


@dataclass(frozen=True)
class Extractor:
    """A trained extractor with the tokenizer of its encoder.

    Attributes:
        network: the network, in evaluation mode.
        tokenizer: tokenizer of the encoder.
        config: its config.
    """

    network: ExtractorNetwork
    tokenizer: PreTrainedTokenizerBase
    config: ExtractorConfig

    @torch.inference_mode()
    def find(
        self, pairs: Sequence[tuple[str, str]], given: Sequence[Sequence[str]] = ()
    ) -> list[ExtractedWords | None]:
        """Find the words that answer each question in its text.

        Args:
            pairs: pairs of a question and a text; long texts are read in several parts.
            given: for each pair, the answers to earlier questions of its chat, which are rarely the answer to a
                follow-up; may be empty.

        Returns:
            The most probable words for each pair; None if the text has no words.
        """
        inputs = [
            (number, each)
            for number, (question, text) in enumerate(pairs)
            for each in encode_inputs(self.tokenizer, self.config, question, text)
        ]
        inputs.sort(key=lambda item: len(item[1].ids))  # so that batches have little padding
        found: list[ExtractedWords | None] = [None] * len(pairs)
        for batch in (inputs[start : start + BATCH_INPUTS] for start in range(0, len(inputs), BATCH_INPUTS)):
            repeated = [_occurrences(pairs[number][1], given[number]) if given else [] for number, _ in batch]
            read = self._read([each for _, each in batch], repeated)
            for (number, _), words in zip(batch, read, strict=True):
                best = found[number]
                if best is None or words.probability > best.probability:
                    found[number] = words
        return [
            None if words is None else _as_whole_words(text, words)
            for words, (_, text) in zip(found, pairs, strict=True)
        ]

    def _read(
        self, inputs: Sequence[ExtractorInput], repeated: Sequence[Sequence[tuple[int, int]]]
    ) -> list[ExtractedWords]:
        batch = stack_inputs(inputs)
        device = self.network.head.weight.device
        logits = self.network(*(tensor.to(device) for tensor in batch[:3]))
        found = (each.cpu() for each in answer_log_probabilities(logits, batch.is_allowed.to(device)))
        return [_best_words(each, ranges, *row) for each, ranges, *row in zip(inputs, repeated, *found, strict=True)]


def answer_log_probabilities(logits: ExtractorLogits, is_allowed: Tensor) -> ExtractorLogits:
    """Normalize logits over the tokens `[N, T]` where an answer may begin or end ([CLS] for none), and over forms."""
    begins, ends = (each.masked_fill(~is_allowed, float("-inf")).log_softmax(-1) for each in logits[:2])
    return ExtractorLogits(begins, ends, logits.forms.log_softmax(-1))


def _occurrences(text: str, answers: Sequence[str]) -> list[tuple[int, int]]:
    """Return the character ranges of a text where one of the answers occurs, ignoring case and a leading article."""
    words = [_ARTICLE.sub("", answer.strip().rstrip(".")) for answer in answers]
    pattern = "|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in words if each)
    return [found.span() for found in re.finditer(pattern, text, re.IGNORECASE)] if pattern else []


def _best_words(
    source: ExtractorInput, repeated: Sequence[tuple[int, int]], begins: Tensor, ends: Tensor, forms: Tensor
) -> ExtractedWords:
    """Find the most probable span.

    Args:
        source: the input.
        repeated: ranges of characters of its text where an answer would repeat an earlier one.
        begins: log-probabilities that the answer begins at each token `[T]`.
        ends: log-probabilities that it ends there `[T]`.
        forms: log-probabilities of the forms `[3]`.
    """
    tokens = source.text_tokens
    own = slice(tokens.start, tokens.stop)
    scores = begins[own].unsqueeze(1) + ends[own].unsqueeze(0)  # [text tokens, text tokens]
    everywhere = torch.ones_like(scores, dtype=torch.bool)
    is_span = everywhere.triu() & everywhere.tril(MAX_SPAN_TOKENS - 1)
    scores = scores.masked_fill(~is_span, float("-inf"))
    if repeated:
        scores = _without_repetition(scores, begins[0] + ends[0], _overlaps(source.offsets, repeated))
    best = int(scores.argmax())
    begin, end = divmod(best, len(tokens))
    none = (begins[0] + ends[0]).exp().item()
    first, last = source.offsets[begin], source.offsets[end]
    verdict = 1 - forms[FORMS.index("words")].exp().item()
    return ExtractedWords(first[0], last[1], scores[begin, end].exp().item(), 1 - none, verdict)


def _without_repetition(scores: Tensor, none: Tensor, is_repeated: Tensor) -> Tensor:
    """Lower the log-probabilities of spans that overlap earlier answers, if the most probable span does.

    Args:
        scores: log-probability of each span, by its first and last token `[tokens, tokens]`.
        none: log-probability that there is no answer `[]`.
        is_repeated: whether a span overlaps an earlier answer `[tokens, tokens]`.
    """
    if not is_repeated.flatten()[scores.argmax()]:
        return scores
    lowered = scores + REPEATED_PENALTY * is_repeated
    before, after = (torch.cat([each.flatten(), none.view(1)]).logsumexp(0) for each in (scores, lowered))
    return lowered + before - after


def _overlaps(offsets: Sequence[tuple[int, int]], ranges: Sequence[tuple[int, int]]) -> Tensor:
    """Return for each span, by its first and last token, whether it overlaps one of the ranges `[tokens, tokens]`."""
    begins, ends = torch.tensor(offsets).unbind(-1)
    found = [(begins < last) & (ends > first) for first, last in ranges]
    inside = torch.stack(found).any(0).long()  # [tokens]
    up_to = inside.cumsum(0)
    return up_to.unsqueeze(0) - up_to.unsqueeze(1) + inside.unsqueeze(1) > 0


def _as_whole_words(text: str, words: ExtractedWords) -> ExtractedWords:
    """Extend a span that begins or ends inside a word to the whole word."""
    begin, end = words.begin, words.end
    while 0 < begin and text[begin - 1].isalnum() and text[begin].isalnum():
        begin -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return words._replace(begin=begin, end=end)
