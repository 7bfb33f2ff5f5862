"""The memory made from the chunks of one training step.

Shape letters: L adapted blocks, r rank of the memory, d hidden size, w width of the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.encoders.features import Features, encode_chunks
from lorify.hypernets.associative.memory import Statistics, TokenMemory
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.questions.answer_finder import EncodedDocument
from lorify.hypernets.associative.questions.focus import FOCUS_TOKENS
from lorify.hypernets.associative.questions.word_matches import words_ending_at
from lorify.training.associative.batches import Step
from lorify.training.engine.packing import split_by_length

CHUNK_GROUPS = 3


@dataclass(frozen=True)
class StepMemory:
    """The memory of a step.

    Attributes:
        statistics: statistics of each context.
        tokens: keys, values and weights of all tokens `[L, 1, tokens, ...]`.
        chunk_offsets: chunk -> an index into `tokens`: that index plus i is the token before the chunk's token i.
        token_ranges: indices of the tokens of each context.
        words: the words that end in them, from `words_ending_at`.
        documents: the reader's encoding of all tokens `[tokens, w]`; None without a reader.
    """

    statistics: Statistics
    tokens: TokenMemory
    chunk_offsets: Mapping[int, int]
    token_ranges: Sequence[Tensor]
    words: Sequence[Tensor]
    documents: Tensor | None

    @property
    def keys(self) -> Tensor:
        """Keys of all tokens `[L, tokens, r]`."""
        return self.tokens.keys[:, 0]

    @property
    def num_tokens(self) -> int:
        """Number of tokens of all chunks."""
        return self.tokens.keys.shape[2]

    def document(self, context: int) -> EncodedDocument:
        """Return one context in the reader's encoding."""
        assert self.documents is not None
        return EncodedDocument(self.documents[self.token_ranges[context]], self.words[context])

    def top_tokens(self, factors: Tensor) -> tuple[TokenMemory, Tensor]:
        """Choose the tokens with the largest factors for each question.

        Args:
            factors: factor of each token for each question `[questions, tokens]`.

        Returns:
            Their memory `[L, questions, t, ...]` and their factors `[questions, t]`, at most `FOCUS_TOKENS` tokens.
        """
        top, index = factors.topk(min(FOCUS_TOKENS, factors.shape[1]), dim=1)
        tokens = self.tokens
        return TokenMemory(tokens.keys[:, 0, index], tokens.values[:, 0, index], tokens.weights[:, 0, index]), top


@dataclass(frozen=True)
class StepEncoder:
    """Encodes the chunks of training steps.

    Attributes:
        base: the base.
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        bf16: whether to compute in bfloat16.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    bf16: bool

    def encode(self, step: Step) -> StepMemory:
        """Encode the chunks of a step."""
        num_contexts = step.mixing.shape[1]
        statistics: Statistics | None = None
        memories: list[TokenMemory] = []
        documents: list[Tensor] = []
        words: dict[int, Tensor] = {}
        ranges: dict[int, Tensor] = {}
        num_tokens = 0
        for group in split_by_length([len(chunk) for chunk in step.chunks], CHUNK_GROUPS):
            chunks = [step.chunks[i] for i in group]
            features = encode_chunks(self.base, chunks, layers=self.config.layers, module=self.config.module)
            with torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                memory = self.hypernetwork(features)
                encoded = self._encode_for_reader(features)
            for row, chunk in enumerate(group):
                mask = features.mask[row]
                memories.append(memory.of_chunk(row, mask))
                documents += [] if encoded is None else [encoded[row, mask].float()]
                words[chunk] = words_ending_at(features.ids[row, mask].tolist(), self.base.tokenizer)
                end = num_tokens + int(mask.sum())
                ranges[chunk] = torch.arange(num_tokens, end)
                num_tokens = end
            part = memory.statistics().sum(step.context_of_chunk[group].to(self.base.device), num_contexts)
            statistics = part if statistics is None else statistics + part
        assert statistics is not None
        chunks_of = [[i for i, c in enumerate(step.context_of_chunk) if c == n] for n in range(num_contexts)]
        return StepMemory(
            statistics=statistics,
            tokens=TokenMemory.concatenated(memories, dim=2),
            chunk_offsets=self._chunk_offsets(ranges),
            token_ranges=[_concatenate([ranges[i] for i in chunks]) for chunks in chunks_of],
            words=[_concatenate([words[i] for i in chunks]) for chunks in chunks_of],
            documents=torch.cat(documents) if documents else None,
        )

    def _chunk_offsets(self, ranges: Mapping[int, Tensor]) -> dict[int, int]:
        # Without a beginning-of-text token the first token of a chunk follows none.
        num_missing = 0 if self.base.tokenizer.bos_token_id is not None else 1
        return {chunk: int(tokens[0]) - num_missing for chunk, tokens in ranges.items() if len(tokens)}

    @torch.no_grad()
    def _encode_for_reader(self, features: Features) -> Tensor | None:
        """The reader's encoding of chunks `[N, T, w]`; None without a reader."""
        if self.hypernetwork.reader is None:
            return None
        states = features.states[self.config.middle]
        return self.hypernetwork.encode_documents(states, features.outputs, features.is_token)


def _concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate integer tensors; a context of noise alone may have none."""
    return torch.cat([torch.zeros(0, dtype=torch.int64), *parts])


def mix_statistics(statistics: Statistics, mixing: Tensor) -> Statistics:
    """Compute the statistics of each row from those of the contexts.

    Copies of a context beyond the first carry no gradient: a thousand copies of noise would scale its gradient by a
    thousand, and one copy gives the same direction.

    Args:
        statistics: statistics of the contexts.
        mixing: how many times each context counts in each row `[rows, contexts]`.
    """
    once = mixing.clamp(max=1)

    def mix(x: Tensor) -> Tensor:
        flat = x.flatten(2)  # [L, contexts, ...]
        result = torch.einsum("rc,lcx->lrx", once, flat)
        result = result + torch.einsum("rc,lcx->lrx", mixing - once, flat.detach())
        return result.view(x.shape[0], mixing.shape[0], *x.shape[2:])

    return Statistics(mix(statistics.S), mix(statistics.M))
