"""Inputs of an extractor: a question and a text as tokens of its encoder.

Shape letters: N inputs, T tokens of the longest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from lorify.extraction.config import ExtractorConfig

OVERLAP_SHARE = 0.25
"""Fraction of its text that an input shares with the next one, so that each answer is complete in one of them."""
SPECIAL_TOKENS = 3
"""[CLS] and two [SEP]."""
MAX_INPUTS = 6
"""The rest of a text that takes more inputs is not read, which limits the time for lines of thousands of marks."""


class ExtractorInput(NamedTuple):
    """A question with a text, or with a part of a longer text.

    Attributes:
        ids: tokens of the whole input.
        num_before: number of tokens before the text.
        offsets: begin and end of each token of the text, in characters.
    """

    ids: list[int]
    num_before: int
    offsets: list[tuple[int, int]]

    @property
    def text_tokens(self) -> range:
        """Indices of the tokens of the text."""
        return range(self.num_before, self.num_before + len(self.offsets))


class InputBatch(NamedTuple):
    """Padded inputs `[N, T]`: tokens, mask, types, and whether an answer may begin or end at a token.

    The type is 1 for the text and the token after it, else 0. The first token, [CLS], stands for no answer.
    """

    ids: Tensor
    mask: Tensor
    types: Tensor
    is_allowed: Tensor


def encode_inputs(
    tokenizer: PreTrainedTokenizerBase, config: ExtractorConfig, question: str, text: str
) -> list[ExtractorInput]:
    """Encode a question with a text. Safe to call from several threads.

    Args:
        tokenizer: tokenizer of the encoder.
        config: limits on the lengths.
        question: the question.
        text: the text.

    Returns:
        The inputs: several overlapping ones for a long text, none for a text without words.
    """
    asked = _tokens(tokenizer, question)[0][-config.max_question_tokens :]
    ids, offsets = _tokens(tokenizer, text)
    before = [cast(int, tokenizer.cls_token_id), *asked, cast(int, tokenizer.sep_token_id)]
    size = config.max_tokens - len(asked) - SPECIAL_TOKENS
    step = size - int(OVERLAP_SHARE * size)
    # The last input reaches the end of the text.
    starts = range(0, max(1, len(ids) - size + step), step) if ids else ()
    return [
        ExtractorInput(
            [*before, *ids[start : start + size], cast(int, tokenizer.sep_token_id)],
            len(before),
            offsets[start : start + size],
        )
        for start in list(starts)[:MAX_INPUTS]
    ]


def stack_inputs(inputs: Sequence[ExtractorInput]) -> InputBatch:
    """Pad inputs to the same length `T`, the longest of the N inputs."""
    ids = pad_sequence([torch.tensor(each.ids) for each in inputs], batch_first=True)
    position = torch.arange(ids.shape[1])  # [T]
    length = torch.tensor([len(each.ids) for each in inputs]).unsqueeze(1)  # [N, 1]
    before = torch.tensor([each.num_before for each in inputs]).unsqueeze(1)  # [N, 1]
    mask = position < length
    types = mask & (position >= before)
    is_text = types & (position < length - 1)
    is_none = F.one_hot(torch.zeros(len(inputs), dtype=torch.long), ids.shape[1]).bool()
    return InputBatch(ids, mask.long(), types.long(), is_text | is_none)


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return a text's tokens and their offsets, without special tokens; the text `[SEP]` is not treated as one."""
    # No truncation here: it would be set on the tokenizer itself, which several threads share.
    encoded = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
    )
    return cast(list[int], encoded["input_ids"]), cast(list[tuple[int, int]], encoded["offset_mapping"])
