"""Context encoders of Doc-to-LoRA: hidden states of a frozen model over chunks of a context, texts or images.

    per-layer activations   what enters each of the first n blocks; the last of them after the model's final norm
    early exit              what leaves the first n blocks, after the final norm
    embeddings              what enters the first block
    patches                 pixels of an image, without a model (`lorify.contexts.patches`)

The final norm is there because the published encoders are models cut short, which norm whatever comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from lorify.base.chat import build_prompt_ids, question_messages, with_system_turn
from lorify.base.model import BaseLM
from lorify.contexts.images import ImageContext, image_not_supported

EncoderKind = Literal["per_layer_activations", "early_exit", "embeddings", "patches"]
_MARK = "\u2602"  # stands for the context in a rendered chat template; not the mark of `lorify.base.chat`


@dataclass(frozen=True)
class EncodedContexts:
    """Features of a batch of chunks: one below the other, or all in one sequence.

    Attributes:
        states: `[chunks, blocks, tokens, features]` for per-layer activations, else `[chunks, tokens, features]`; in
            one sequence without the dimension of the chunks.
        mask: `[chunks, tokens]`, True for real tokens.
        token_indices: `[chunks, tokens]`, the position of each token in the packed sequence, 0 for padding; None if the
            chunks are not packed.
    """

    states: Tensor
    mask: Tensor
    token_indices: Tensor | None = None


@dataclass(frozen=True, eq=False)
class ImageChunk:
    """An image as an encoder takes it.

    Attributes:
        inputs: tensors for its model, with a batch of one.
        num_tokens: how many states it becomes; also its `len`.
    """

    inputs: Mapping[str, Tensor]
    num_tokens: int

    def __len__(self) -> int:
        """Number of tokens."""
        return self.num_tokens


Chunk = Sequence[int] | ImageChunk
"""What is encoded at a time: token ids with all special tokens, or an image."""


class ContextEncoder(Protocol):
    """A frozen model (or none, for patches) that turns chunks of contexts into features."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def num_layers(self) -> int:
        """Its blocks."""
        ...

    @property
    def feature_size(self) -> int:
        """Width of its features."""
        ...

    @property
    def window_tokens(self) -> int:
        """Longest chunk, in tokens."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of its features."""
        ...

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """Its tokenizer; None if it reads no text."""
        ...

    @property
    def reads_images(self) -> bool:
        """Whether images can be encoded."""
        ...

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens; for encoders with a tokenizer."""
        ...

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """An image as this encoder takes it, in a chat that may begin with an empty system turn.

        For encoders that read images.
        """
        ...

    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Features of chunks of one kind (texts or images), each encoded alone.

        Args:
            chunks: texts or images.
            kind: which hidden states.
            num_layers: how many blocks; see the module's docstring.
        """
        ...


@dataclass(frozen=True)
class TextEncoder:
    """A language model as context encoder; it may be the base.

    Attributes:
        model: the frozen model.
    """

    model: BaseLM

    @property
    def reads_images(self) -> bool:
        """It reads text alone."""
        return False

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def num_layers(self) -> int:
        """Its blocks."""
        return self.model.num_layers

    @property
    def feature_size(self) -> int:
        """Width of its hidden states."""
        return self.model.hidden_size

    @property
    def window_tokens(self) -> int:
        """Longest input it was made for, in tokens."""
        return self.model.window_tokens

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of its hidden states."""
        return self.model.dtype

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer."""
        return self.model.tokenizer

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return self.model.encode_text(text)

    def image_chunk(self, image: ImageContext, *, system_turn: bool = False) -> ImageChunk:
        """Always an error."""
        del system_turn
        raise image_not_supported(image, self.name)

    def encode(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """Features of texts, each encoded alone."""
        input_ids, mask = (tensor.to(self.model.device) for tensor in pad_chunks(chunks))
        return EncodedContexts(self._states(input_ids, mask, None, kind, num_layers), mask.bool())

    def encode_packed(self, chunks: Sequence[Chunk], *, kind: EncoderKind, num_layers: int) -> EncodedContexts:
        """As `encode`, with all texts in one sequence without padding; none sees another."""
        model = self.model
        lengths = torch.tensor([len(chunk) for chunk in chunks])
        starts = lengths.cumsum(0) - lengths
        owner = torch.arange(len(chunks)).repeat_interleave(lengths)
        may_look = model.attention_mask((owner.unsqueeze(1) == owner).tril()[None, None].to(model.device))
        input_ids = torch.cat([_text_ids(chunk) for chunk in chunks]).unsqueeze(0).to(model.device)
        positions = (torch.arange(len(owner)) - starts[owner]).unsqueeze(0).to(model.device)
        states = self._states(input_ids, may_look, positions, kind, num_layers)[0]
        index = torch.arange(int(lengths.max()))
        mask = index < lengths.unsqueeze(1)
        token_indices = (starts.unsqueeze(1) + index).masked_fill(~mask, 0)
        return EncodedContexts(states, mask.to(model.device), token_indices.to(model.device))

    @torch.no_grad()
    def _states(
        self, input_ids: Tensor, mask: Tensor, positions: Tensor | None, kind: EncoderKind, num_layers: int
    ) -> Tensor:
        """Hidden states of the wanted kind `[batch, (blocks,) tokens, features]`."""
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
    """Token ids and mask `[chunks, tokens]` of texts, padded on the right."""
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
    """How to get at the hidden states of a model for one batch.

    Attributes:
        num_layers: its blocks.
        inputs_of: blocks -> what enters each of them; blocks above the highest are not computed.
        output: what leaves the last block, after the final norm.
        norm: the final norm.
    """

    num_layers: int
    inputs_of: Callable[[Sequence[int]], Mapping[int, Tensor]]
    output: Callable[[], Tensor]
    norm: nn.Module


def chosen_states(blocks: Blocks, kind: EncoderKind, num_layers: int) -> Tensor:
    """Hidden states of one kind; see the module's docstring."""
    if kind == "embeddings":
        return blocks.inputs_of([0])[0]
    if kind == "early_exit":
        return _states(blocks, [num_layers])[0]
    return torch.stack(_states(blocks, range(num_layers)), dim=1)


def _states(blocks: Blocks, depths: Sequence[int]) -> list[Tensor]:
    """What leaves the first n blocks, for each n of `depths`, the last of them after the final norm."""
    inside = [depth for depth in depths if depth < blocks.num_layers]
    found = blocks.inputs_of(inside) if inside else {}
    last = blocks.output() if len(inside) < len(depths) else blocks.norm(found[depths[-1]])
    return [*(found[depth] for depth in depths[:-1]), last]


def context_affixes(
    tokenizer: PreTrainedTokenizerBase, *, system_turn: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids before and after a context: those of a chat whose user says the context, as in the paper.

    With `system_turn` the chat begins with an empty system turn, as in the reference implementation.
    """
    if not tokenizer.chat_template:
        start = tokenizer.bos_token_id
        return ((start,) if isinstance(start, int) else ()), ()
    chat = question_messages(_MARK)
    ids = build_prompt_ids(tokenizer, with_system_turn(chat) if system_turn else chat)
    mark = list(tokenizer(_MARK, add_special_tokens=False)["input_ids"])
    at = next((i for i in range(len(ids)) if ids[i : i + len(mark)] == mark), None)
    if at is None:  # the mark merges with what is around it
        return tuple(ids), ()
    return tuple(ids[:at]), tuple(ids[at + len(mark) :])


def split_evenly(
    ids: Sequence[int], *, num_chunks: int, prefix: Sequence[int], suffix: Sequence[int]
) -> list[list[int]]:
    """Chunks of nearly equal length, each between its affixes.

    The context with its affixes is cut into `num_chunks` runs of equal length (the last one shorter), and the
    affixes are put at every cut: `[prefix, a, suffix], [prefix, b, suffix] ...`, as in the reference implementation.

    Args:
        ids: token ids of the context, without affixes.
        num_chunks: how many; fewer come out where the context is too short for so many.
        prefix: token ids before each chunk.
        suffix: token ids after each chunk.
    """
    whole = [*prefix, *ids, *suffix]
    length = -(-len(whole) // num_chunks)
    runs = [whole[start : start + length] for start in range(0, len(whole), length)]
    return [[*(prefix if i else ()), *run, *(suffix if i < len(runs) - 1 else ())] for i, run in enumerate(runs)]
