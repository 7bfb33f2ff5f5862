"""Activations of the base over chunks of a document, the inputs of the associative hypernetwork."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, cast

import torch
from torch import Tensor

from lorify.base.model import BaseLM

T = TypeVar("T")

LIKE_LENGTH = 0.8
"""The shortest text of a batch is at least this fraction as long as its longest."""


@dataclass(frozen=True)
class Features:
    """Activations of the frozen base over a batch of chunks.

    Attributes:
        states: `[layers, chunks, tokens, hidden]`, inputs of the requested blocks.
        inputs: `[layers, chunks, tokens, d_in]`, inputs of the adapted module in these blocks; None if not requested.
        ids: `[chunks, tokens]`, token ids.
        outputs: `[chunks, tokens, hidden]`, output embedding of each token.
        is_token: `[chunks, tokens]`, False for padding.
    """

    states: Tensor
    inputs: Tensor | None
    ids: Tensor
    outputs: Tensor
    is_token: Tensor

    @property
    def next_outputs(self) -> Tensor:
        """Return the output embedding of the token that follows each token `[chunks, tokens, hidden]`."""
        return self.outputs.roll(-1, dims=1)

    @property
    def mask(self) -> Tensor:
        """Return `[chunks, tokens]`, True where another token of the chunk follows.

        The beginning-of-text token counts as a token: it represents the empty context.
        """
        has_next = self.is_token.roll(-1, dims=1)
        has_next[:, -1] = False
        return has_next & self.is_token


def with_start_token(base: BaseLM, chunks: Sequence[Sequence[int]]) -> list[list[int]]:
    """Prepend a beginning-of-text token to each chunk if the tokenizer has one."""
    start = cast(int | None, base.tokenizer.bos_token_id)
    return [([] if start is None else [start]) + list(chunk) for chunk in chunks]


def encode_chunks(
    base: BaseLM, chunks: Sequence[Sequence[int]], *, layers: Sequence[int], module: str | None = None
) -> Features:
    """Run the base without adapters over chunks, independently of each other.

    Args:
        base: the frozen base model.
        chunks: token ids of each chunk, without the beginning-of-text token, which is added if the tokenizer has one.
        layers: indices of the blocks whose inputs to return.
        module: adapted linear layer of these blocks whose inputs to return too; None for none.

    Returns:
        Features of the chunks, padded to the longest.
    """
    rows = with_start_token(base, chunks)
    length = max(len(row) for row in rows)
    input_ids = torch.zeros(len(rows), length, dtype=torch.long)
    is_token = torch.zeros(len(rows), length, dtype=torch.bool)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.tensor(row)
        is_token[index, : len(row)] = True
    input_ids = input_ids.to(base.device)
    found = base.activations(input_ids, None, layers=layers, module=module)  # attention is faster without a mask
    return Features(
        states=torch.stack([found.states[layer] for layer in layers]),
        inputs=torch.stack([found.inputs[layer] for layer in layers]) if module is not None else None,
        ids=input_ids,
        outputs=base.output_embeddings(input_ids),
        is_token=is_token.to(base.device),
    )


def group_by_length(lengths: Sequence[int], max_tokens: int | None = None) -> list[list[int]]:
    """Group texts of similar length into batches with little padding.

    Args:
        lengths: lengths of the texts, in tokens.
        max_tokens: maximum size of a batch of several texts in tokens, including padding; None for no limit.

    Returns:
        Indices of the texts of each batch, longest texts first.
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
    """Group a stream lazily into lists of at most `max_chunks`, so that memory does not grow with the document."""
    stream = iter(chunks)
    while group := list(islice(stream, max_chunks)):
        yield group
