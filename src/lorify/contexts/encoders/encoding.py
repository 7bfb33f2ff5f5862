"""Context encoders of Doc-to-LoRA: features of text or image chunks, mostly hidden states of a frozen model.

    per-layer activations   inputs of the first n blocks, the last one after the model's final norm
    early exit              output of the first n blocks, after the final norm
    embeddings              input of the first block
    patches                 pixels of an image, without a model (`lorify.contexts.encoders.patches`)

The final norm is applied because the published encoders are truncated models, which normalize their last output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from lorify.base.chat.prompts import build_prompt_ids, question_messages, with_system_turn
from lorify.base.model import BaseLM
from lorify.contexts.images import ImageContext, image_not_supported

EncoderKind = Literal["per_layer_activations", "early_exit", "embeddings", "patches"]
# Placeholders for the context in a rendered chat template. They neither begin nor end with the same byte, so what two
# chats with different placeholders have in common is exactly what surrounds a context.
_MARKS = ("\u2602", "\U0001f9ff")


@dataclass(frozen=True)
class EncodedContexts:
    """Features of a batch of chunks, either padded or packed into one sequence.

    Attributes:
        states: `[chunks, blocks, tokens, features]` for per-layer activations, else `[chunks, tokens, features]`;
            packed states lack the dimension of the chunks.
        mask: `[chunks, tokens]`, True for tokens, False for padding.
        token_indices: `[chunks, tokens]`, the position of each token in the packed sequence, 0 for padding; None if the
            chunks are not packed.
    """

    states: Tensor
    mask: Tensor
    token_indices: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ImageChunk:
    """An image preprocessed for an encoder.

    Attributes:
        inputs: named inputs of the encoder's model, with a batch size of 1.
        num_tokens: number of its hidden states; also its `len`.
    """

    inputs: Mapping[str, Tensor]
    num_tokens: int

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self.num_tokens


Chunk = Sequence[int] | ImageChunk
"""The unit of encoding: token ids including special tokens, or an image."""


class ContextEncoder(Protocol):
    """Encodes chunks of contexts as features, with a frozen model or, for patches, without one."""

    @property
    def name(self) -> str:
        """Return its name for messages."""
        ...

    @property
    def num_layers(self) -> int:
        """Return the number of its blocks."""
        ...

    @property
    def feature_size(self) -> int:
        """Return the width of its features."""
        ...

    @property
    def window_tokens(self) -> int:
        """Return the maximum length of a chunk, in tokens."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of its features."""
        ...

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """Return its tokenizer; None if it does not read text."""
        ...

    @property
    def reads_images(self) -> bool:
        """Return whether it can encode images."""
        ...

    def encode_text(self, text: str) -> list[int]:
        """Tokenize a text, without special tokens.

        Raises:
            ContextError: if it does not read text.
        """
        ...

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """Prepare an image for this encoder, in a chat that may begin with an empty system turn.

        Args:
            image: the image, with its caption if it has one.
            system_turn: start the chat that contains the image with an empty system turn.

        Raises:
            ContextError: if it does not read images.
        """
        ...

    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Encode chunks independently of each other.

        Args:
            chunks: chunks, either all texts or all images.
            kind: kind of features; see the module docstring.
            num_layers: number n of blocks; see the module docstring.

        Returns:
            The features, padded to the longest chunk.
        """
        ...


@dataclass(frozen=True)
class TextEncoder:
    """A language model as context encoder, possibly the base itself.

    Attributes:
        model: the frozen model.
    """

    model: BaseLM

    @property
    def reads_images(self) -> bool:
        """Return False, since it reads only text."""
        return False

    @property
    def name(self) -> str:
        """Return the name of the model."""
        return self.model.name

    @property
    def num_layers(self) -> int:
        """Return the number of its blocks."""
        return self.model.num_layers

    @property
    def feature_size(self) -> int:
        """Return the width of its hidden states."""
        return self.model.hidden_size

    @property
    def window_tokens(self) -> int:
        """Return the length of its context window, in tokens."""
        return self.model.window_tokens

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of its hidden states."""
        return self.model.dtype

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return its tokenizer."""
        return self.model.tokenizer

    def encode_text(self, text: str) -> list[int]:
        """Tokenize a text, without special tokens."""
        return self.model.encode_text(text)

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """Raise an error, since it reads only text.

        Raises:
            ContextError: always.
        """
        del system_turn
        raise image_not_supported(image, self.name)

    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Encode texts independently of each other; see `ContextEncoder.encode`."""
        input_ids, mask = (tensor.to(self.model.device) for tensor in pad_chunks(chunks))
        return EncodedContexts(self._states(input_ids, mask, None, kind, num_layers), mask.bool())

    def encode_packed(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Encode texts packed into one sequence without padding; each attends only to itself.

        Args:
            chunks: token ids of each text.
            kind: kind of features; see the module docstring.
            num_layers: number n of blocks; see the module docstring.

        Returns:
            The packed features, with `token_indices`.
        """
        model = self.model
        lengths = torch.tensor([len(chunk) for chunk in chunks])
        starts = lengths.cumsum(0) - lengths
        owner = torch.arange(len(chunks)).repeat_interleave(lengths)
        attention_mask = model.attention_mask((owner.unsqueeze(1) == owner).tril()[None, None].to(model.device))
        input_ids = torch.cat([_text_ids(chunk) for chunk in chunks]).unsqueeze(0).to(model.device)
        positions = (torch.arange(len(owner)) - starts[owner]).unsqueeze(0).to(model.device)
        states = self._states(input_ids, attention_mask, positions, kind, num_layers)[0]
        index = torch.arange(int(lengths.max()))
        mask = index < lengths.unsqueeze(1)
        token_indices = (starts.unsqueeze(1) + index).masked_fill(~mask, 0)
        return EncodedContexts(states, mask.to(model.device), token_indices.to(model.device))

    @torch.no_grad()
    def _states(
        self, input_ids: Tensor, mask: Tensor, positions: Tensor | None, kind: EncoderKind, num_layers: int
    ) -> Tensor:
        """Return the hidden states of a kind `[batch, (blocks,) tokens, features]`."""
        model = self.model

        def inputs_of(depths: Sequence[int]) -> Mapping[int, Tensor]:
            return model.activations(input_ids, mask, layers=depths, position_ids=positions).states

        def output() -> Tensor:
            with model.hooks.applied(None):
                return model.decoder(
                    input_ids=input_ids, attention_mask=mask, position_ids=positions, use_cache=False
                ).last_hidden_state

        blocks = Blocks(model.num_layers, inputs_of, output, cast(nn.Module, model.decoder.norm))
        return chosen_states(blocks, kind, num_layers)


def pad_chunks(chunks: Sequence[Chunk]) -> tuple[Tensor, Tensor]:
    """Return token ids and attention mask of texts, both `[chunks, tokens]`, padded on the right."""
    length = max(map(len, chunks))
    input_ids = torch.zeros(len(chunks), length, dtype=torch.long)
    mask = torch.zeros(len(chunks), length, dtype=torch.long)
    for index, chunk in enumerate(chunks):
        input_ids[index, : len(chunk)] = _text_ids(chunk)
        mask[index, : len(chunk)] = 1
    return input_ids, mask


def _text_ids(chunk: Chunk) -> Tensor:
    assert not isinstance(chunk, ImageChunk)
    return torch.tensor(chunk)


@dataclass(frozen=True)
class Blocks:
    """Access to the hidden states of a model for one batch.

    Attributes:
        num_layers: number of blocks.
        inputs_of: maps block indices to the inputs of these blocks; blocks above the highest are not computed.
        output: returns the output of the last block, after the final norm.
        norm: the final norm.
    """

    num_layers: int
    inputs_of: Callable[[Sequence[int]], Mapping[int, Tensor]]
    output: Callable[[], Tensor]
    norm: nn.Module


def chosen_states(blocks: Blocks, kind: EncoderKind, num_layers: int) -> Tensor:
    """Return the hidden states of one kind; see the module docstring.

    Args:
        blocks: the hidden states of a model for one batch.
        kind: embeddings, early exit or per layer.
        num_layers: number of blocks to run (early exit) or to read (per layer).
    """
    if kind == "embeddings":
        return blocks.inputs_of([0])[0]
    if kind == "early_exit":
        return _states(blocks, [num_layers])[0]
    return torch.stack(_states(blocks, range(num_layers)), dim=1)


def _states(blocks: Blocks, depths: Sequence[int]) -> list[Tensor]:
    """Return the output of the first n blocks for each n in `depths`, with the final norm applied to the last one."""
    inside = [depth for depth in depths if depth < blocks.num_layers]
    found = blocks.inputs_of(inside) if inside else {}
    last = blocks.output() if len(inside) < len(depths) else blocks.norm(found[depths[-1]])
    return [*(found[depth] for depth in depths[:-1]), last]


def context_affixes(
    tokenizer: PreTrainedTokenizerBase, *, system_turn: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the token ids before and after a context, which is the user's turn of a chat.

    Args:
        tokenizer: the encoder's tokenizer; without a chat template, only a beginning-of-text token precedes a context.
        system_turn: start the chat with an empty system turn, as in the reference implementation.

    Returns:
        Token ids of the prefix and the suffix.

    Source: Doc-to-LoRA (arXiv 2602.15902).
    """
    if not tokenizer.chat_template:
        start = tokenizer.bos_token_id
        return ((start,) if isinstance(start, int) else ()), ()
    # Tokenizing a mark alone would not find it in the chat: tokenizers such as Mistral's put a space before a text.
    first, second = (_chat_ids(tokenizer, mark, system_turn=system_turn) for mark in _MARKS)
    if first == second:  # both marks are unknown to the tokenizer
        at = first.index(cast(int, tokenizer.unk_token_id))
        return tuple(first[:at]), tuple(first[at + 1 :])
    prefix = _common_beginning(first, second)
    suffix = _common_beginning(first[len(prefix) :][::-1], second[len(prefix) :][::-1])
    return prefix, suffix[::-1]


def context_ids(
    encoder: ContextEncoder, text: str, *, prefix: Sequence[int], suffix: Sequence[int], system_turn: bool
) -> list[int]:
    """Tokenize a context as it is tokenized inside its chat, where some tokenizers put no space before it.

    Args:
        encoder: the context encoder.
        text: the context.
        prefix: token ids before it in the chat.
        suffix: token ids after it.
        system_turn: the chat starts with an empty system turn.

    Returns:
        Token ids without prefix and suffix. If the encoder's chats have a different prefix or suffix, the text is
        tokenized alone.
    """
    tokenizer = encoder.tokenizer
    if tokenizer is None or not tokenizer.chat_template or not text:
        return encoder.encode_text(text)
    if context_affixes(tokenizer, system_turn=system_turn) != (tuple(prefix), tuple(suffix)):
        return encoder.encode_text(text)
    ids = _chat_ids(tokenizer, text, system_turn=system_turn)
    end = len(ids) - len(suffix)
    is_inside = [*ids[: len(prefix)], *ids[end:]] == [*prefix, *suffix]
    return ids[len(prefix) : end] if is_inside else encoder.encode_text(text)


def _chat_ids(tokenizer: PreTrainedTokenizerBase, text: str, *, system_turn: bool) -> list[int]:
    """Build the token ids of a chat with one user turn."""
    chat = question_messages(text)
    return build_prompt_ids(tokenizer, with_system_turn(chat) if system_turn else chat)


def _common_beginning(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """Return the common prefix of two token sequences."""
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def split_evenly(
    ids: Sequence[int], *, num_chunks: int, prefix: Sequence[int], suffix: Sequence[int]
) -> list[list[int]]:
    """Split a context into chunks of nearly equal length, each with a prefix and a suffix.

    As in the reference implementation, the context with its prefix and suffix is split into `num_chunks` runs of equal
    length (the last one may be shorter). A suffix and a prefix are then inserted at each split:
    `[prefix, a, suffix], [prefix, b, suffix] ...`.

    Args:
        ids: token ids of the context, without prefix and suffix.
        num_chunks: number of chunks; a very short context gives fewer.
        prefix: token ids before each chunk.
        suffix: token ids after each chunk.

    Returns:
        Token ids of each chunk.
    """
    whole = [*prefix, *ids, *suffix]
    length = -(-len(whole) // num_chunks)
    runs = [whole[start : start + length] for start in range(0, len(whole), length)]
    return [[*(prefix if i else ()), *run, *(suffix if i < len(runs) - 1 else ())] for i, run in enumerate(runs)]
