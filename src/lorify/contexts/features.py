"""The base's own activations over chunks of a document: what the hypernetwork reads."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, cast

import torch
from torch import Tensor

from lorify.base.model import BaseLM

T = TypeVar("T")

LIKE_LENGTH = 0.8
"""A batch holds texts of at least this share of its longest."""


@dataclass(frozen=True)
class Features:
    """Activations of the frozen base over a batch of chunks.

    Attributes:
        states: `[layers, chunks, tokens, hidden]`, the inputs of the wanted blocks.
        inputs: `[layers, chunks, tokens, d_in]`, the inputs of the adapted module in those blocks; None if not wanted.
        ids: `[chunks, tokens]`, the tokens.
        outputs: `[chunks, tokens, hidden]`, the output embedding of each token.
        is_token: `[chunks, tokens]`, False for padding.
    """

    states: Tensor
    inputs: Tensor | None
    ids: Tensor
    outputs: Tensor
    is_token: Tensor

    @property
    def next_outputs(self) -> Tensor:
        """The output embedding of the token that follows each token `[chunks, tokens, hidden]`."""
        return self.outputs.roll(-1, dims=1)

    @property
    def mask(self) -> Tensor:
        """`[chunks, tokens]`, True where a token has a next token in its chunk.

        The last token has none; the beginning-of-text token counts, it stands for "nothing read yet".
        """
        has_next = self.is_token.roll(-1, dims=1)
        has_next[:, -1] = False
        return has_next & self.is_token


def with_start(base: BaseLM, chunks: Sequence[Sequence[int]]) -> list[list[int]]:
    """Token ids of chunks as the base reads them: after a beginning-of-text token where the tokenizer has one."""
    start = cast(int | None, base.tokenizer.bos_token_id)
    return [([] if start is None else [start]) + list(chunk) for chunk in chunks]


def encode_chunks(
    base: BaseLM, chunks: Sequence[Sequence[int]], *, layers: Sequence[int], module: str | None = None
) -> Features:
    """Run the bare base over chunks, each encoded alone.

    Args:
        base: the frozen base model.
        chunks: token ids of each chunk; a beginning-of-text token is put before each where the tokenizer has one.
        layers: blocks whose activations are wanted.
        module: the adapted linear layer of those blocks; None if its inputs are not wanted.
    """
    rows = with_start(base, chunks)
    length = max(len(row) for row in rows)
    input_ids = torch.zeros(len(rows), length, dtype=torch.long)
    is_token = torch.zeros(len(rows), length, dtype=torch.bool)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
        is_token[index, : len(row)] = True
    input_ids = input_ids.to(base.device)
    found = base.activations(input_ids, None, layers=layers, module=module)  # without a mask attention is faster
    return Features(
        states=torch.stack([found.states[layer] for layer in layers]),
        inputs=torch.stack([found.inputs[layer] for layer in layers]) if module is not None else None,
        ids=input_ids,
        outputs=base.output_embeddings(input_ids),
        is_token=is_token.to(base.device),
    )


def of_like_length(lengths: Sequence[int], max_tokens: int | None = None) -> list[list[int]]:
    """Indices of texts in groups of which each is one batch, the longest first, so that little of a batch is padding.

    Args:
        lengths: of the texts, in tokens.
        max_tokens: a group of several texts has at most so many tokens, padding included; None: any number.
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[groups[-1][0]] if groups else 0
        fits = max_tokens is None or not groups or (len(groups[-1]) + 1) * longest <= max_tokens
        if groups and fits and lengths[i] >= LIKE_LENGTH * longest:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def batched(chunks: Iterable[T], max_chunks: int) -> Iterator[list[T]]:
    """Group a stream of chunks, at most `max_chunks` at a time, so that memory does not grow with the document."""
    stream = iter(chunks)
    while group := list(islice(stream, max_chunks)):
        yield group
