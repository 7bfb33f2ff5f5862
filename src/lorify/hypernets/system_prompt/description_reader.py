"""Reads task descriptions with the frozen base, up to the block after which they are written, and the embedder.

Shape letters as in `lorify.hypernets.system_prompt.network`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import DescriptionEncoder
from lorify.hypernets.system_prompt.config import SystemMessageConfig
from lorify.hypernets.system_prompt.key_values import KEY_MODULE, KeyValues, key_values_of
from lorify.hypernets.system_prompt.network import EncodedDescriptions

FIRST_SLOT = 1
"""The first token keeps its state, since all other tokens attend to it, whatever the text."""

NUM_COMMON_TOKENS = 400
LONG_FACTOR = 1.5
"""A description with more tokens than this multiple of the slots is read whole. A shorter one loses its most common
words, as in training."""

# Punctuation before a closing quote would form one token with the quote. A quoted text that begins with a lower-case
# letter and ends with punctuation follows other text in an answer: its first word gets the token it has after a space.
_PUNCTUATION_IN_QUOTES = re.compile(r'"([^"]*[^\w\s"])"')
_ENDING_IN_QUOTES = re.compile(r'"([a-z][^"]*[^\w\s"]) "')


@dataclass(frozen=True)
class TokenizedDescription:
    """A description in tokens.

    Attributes:
        text: the description.
        tokens: its tokens, followed by fillers if it has fewer tokens than there are slots.
        positions: positions of the tokens that get a slot.
        is_long: whether it has too many tokens for the slots and is therefore read whole.
    """

    text: str
    tokens: Sequence[int]
    positions: Sequence[int]
    is_long: bool


class DescriptionReader:
    """Encodes descriptions for a `SystemMessageHypernetwork`."""

    def __init__(self, base: BaseLM, encoder: DescriptionEncoder, config: SystemMessageConfig) -> None:
        """Compute the hidden states of the default system message."""
        self.base, self.encoder, self.config = base, encoder, config
        self._commonness = {token: position for position, token in enumerate(config.common_tokens)}
        self._default_states = self._states([config.chat_start])[0, : config.num_slots]  # [k, d]

    def read(self, descriptions: Sequence[str]) -> EncodedDescriptions:
        """Encode descriptions.

        Raises:
            ContextError: if one is empty or too long for the embedder.
        """
        return self.read_tokenized([self.tokenize(description) for description in descriptions])

    @torch.no_grad()
    def read_tokenized(self, descriptions: Sequence[TokenizedDescription]) -> EncodedDescriptions:
        """Encode descriptions from `tokenize`; see `read`."""
        embeddings = self.encoder.encode([each.text for each in descriptions]).to(self._default_states)
        states = self._states([[self.config.chat_start[0], *each.tokens] for each in descriptions])
        of_tokens = torch.stack([states[row, list(each.positions)] for row, each in enumerate(descriptions)])
        # of_tokens: [n, k - m, d]
        return EncodedDescriptions(of_tokens, F.normalize(embeddings, dim=-1), self._default_states)

    @property
    def num_kept(self) -> int:
        """Number of slots for tokens."""
        return self.config.num_slots - self.config.embedded_slots

    @torch.no_grad()
    def read_whole(
        self, description: TokenizedDescription, soft: Tensor, shared: LoraBatch, layers: Sequence[int]
    ) -> KeyValues:
        """Read a description of any length, then soft tokens, and keep keys and values for each slot.

        Args:
            description: the description; if it has more tokens than slots, the most important ones are kept.
            soft: hidden states of the soft tokens `[m, d]`.
            shared: the updates shared by all tasks.
            layers: indices of the blocks.
        """
        soft_start = FIRST_SLOT + len(description.tokens)
        row = [self.config.chat_start[0], *description.tokens, *[self.config.filler] * len(soft)]
        ids = torch.tensor([row], device=self.base.device)
        with self.base.activation_hooks.replaced_states(self.config.written_layer + 1, soft_start, soft):
            seen = self.base.activations(ids, None, layers=layers, module=KEY_MODULE, lora=shared).inputs
        at = [*(FIRST_SLOT + position for position in description.positions), *range(soft_start, len(row))]
        return key_values_of(self.base, {layer: seen[layer][0, at] for layer in layers}, layers, shared)

    def tokenize(self, description: str) -> TokenizedDescription:
        """Tokenize a description, and choose the tokens that get a slot."""
        tokens = self.tokens(description)
        filled = [*tokens, *[self.config.filler] * (self.num_kept - len(tokens))]
        missing = range(len(tokens), len(filled))
        positions = [*self.important_positions(tokens, self.num_kept), *missing]
        return TokenizedDescription(description, filled, positions, len(tokens) > LONG_FACTOR * self.num_kept)

    def tokens(self, description: str) -> list[int]:
        """Tokenize a description, with separate tokens for quotes and the text inside them."""
        text = _PUNCTUATION_IN_QUOTES.sub(r'"\1 "', description.strip())
        return self.base.encode_text(_ENDING_IN_QUOTES.sub(r'" \1 "', text))

    def _states(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Hidden states after the written block, without the first token `[n, longest row - 1, d]`, in float32."""
        above, longest = self.config.written_layer + 1, max(map(len, rows))
        padded = [[*row, *[self.config.filler] * (longest - len(row))] for row in rows]
        ids = torch.tensor(padded, device=self.base.device)
        return self.base.activations(ids, None, layers=[above]).states[above][:, FIRST_SLOT:].float()

    def important_positions(self, tokens: Sequence[int], num_kept: int) -> list[int]:
        """Choose the positions that get a slot, in order: all, or all except the most common unquoted tokens.

        Quotation marks stay with the text inside, which would have no end without them.
        """
        if len(tokens) <= num_kept:
            return list(range(len(tokens)))
        is_quoted, inside = [], False
        for token in tokens:
            quotes = self.base.tokenizer.decode([token]).count('"')
            is_quoted.append(inside or quotes > 0)
            inside ^= quotes % 2 == 1
        rare = len(self._commonness)

        def importance(position: int) -> tuple[bool, int, int]:
            return is_quoted[position], self._commonness.get(tokens[position], rare), position

        return sorted(sorted(range(len(tokens)), key=importance)[-num_kept:])


def most_common_tokens(token_lists: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Rank token ids by the number of lists that contain them, at most `NUM_COMMON_TOKENS`."""
    counts = Counter(token for tokens in token_lists for token in set(tokens))
    return tuple(token for token, _ in counts.most_common(NUM_COMMON_TOKENS))
