"""The reader: which tokens of a document a question is answered from.

A memory is linear in its keys, and what it is asked with where an answer begins tells relations apart (`is the mayor
of`) but hardly names that the base has never seen. Whoever asks knows the question, though, so a small network may look
for the answer's place before the adapter is written. Documents are read once, when they are internalized:

    x_t = Surroundings(N(h_t), N(u_t), N(u_{t+1}))                 [w], kept with the memory
    y_j = Surroundings(N(h_j), N(u_j))                             [w], for each token of the question
    x_t <- x_t + MLP(matches_t)                                    where the question's words stand in the document
    x_t <- x_t + attention to y + gated convolution over t + MLP   three times
    begins_t, belongs_t = linear(x_t)                              logits

`h` are the base's states at a middle block, `u` output embeddings, `N` the standardization of the hypernetwork. A token
begins an answer if the answer's first token comes next, and belongs to it if any token of the answer does: the tokens
are those of the memory, each of which says what comes after it.

Shape letters: N documents or questions, T tokens of documents, J tokens of questions, d hidden size, w width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.hypernets.associative.encoder import Surroundings, TextDropout

NUM_MATCHES = 6
NUM_BLOCKS = 3
REACH = 16
"""Tokens to either side that a block's convolution sees."""


class Places(NamedTuple):
    """Where an answer may stand, as logits.

    Attributes:
        begins: of each token, whether the answer begins after it `[N, T]`.
        belongs: whether a token of the answer comes after it `[N, T]`.
    """

    begins: Tensor
    belongs: Tensor


class Reader(nn.Module):
    """Documents and questions -> where the answers stand. See the module's docstring."""

    def __init__(self, *, hidden_size: int, width: int, dropout: float = 0.0) -> None:
        """Random initial weights; `dropout` of inputs and of what each layer adds, in training."""
        super().__init__()
        self.document = Surroundings(input_size=3 * hidden_size, width=width, dropout=dropout)
        self.question = Surroundings(input_size=2 * hidden_size, width=width, num_layers=1, dropout=dropout)
        self.matches = nn.Sequential(nn.Linear(NUM_MATCHES, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(NUM_BLOCKS))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 2)

    def forward(self, documents: Tensor, mask: Tensor, questions: Tensor, asked: Tensor, matches: Tensor) -> Places:
        """Look for the answer to each question in one document.

        Args:
            documents: `[N, T, w]`, from `document`.
            mask: `[N, T]`, True for tokens.
            questions: `[N, J, w]`, from `question`.
            asked: `[N, J]`, True for tokens of the question.
            matches: `[N, T, NUM_MATCHES]`, from `lorify.hypernets.associative.focus.word_matches`.
        """
        x = documents + self.matches(matches)
        for block in self.blocks:
            x = block(x, mask, questions, asked)
        return Places(*self.out(self.norm(x)).unbind(-1))


class _Block(nn.Module):
    """Attention to the question, then a gated convolution, then an MLP."""

    NUM_HEADS = 4

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = TextDropout(dropout)
        self.norm_question = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attended = nn.Linear(width, width)
        self.norm_near = nn.LayerNorm(width)
        self.near_gate = nn.Linear(width, 2 * width)
        self.near = nn.Conv1d(width, width, 2 * REACH + 1, padding=REACH, groups=width)
        self.near_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor, questions: Tensor, asked: Tensor) -> Tensor:
        """`x [N, T, w]` -> `[N, T, w]`."""
        key, value = self.key_value(questions).chunk(2, dim=-1)  # each [N, J, w]
        query = self._heads(self.query(self.norm_question(x)))
        attended = F.scaled_dot_product_attention(
            query, self._heads(key), self._heads(value), attn_mask=asked[:, None, None, :]
        )
        x = x + self.dropout(self.attended(attended.transpose(1, 2).flatten(2)))
        near, gate = self.near_gate(self.norm_near(x)).chunk(2, dim=-1)
        near = self.near((near * mask.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2)
        x = x + self.dropout(self.near_out(F.silu(near) * gate))
        return x + self.dropout(self.down(F.gelu(self.up(self.norm_mlp(x)))))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.NUM_HEADS, -1)).transpose(1, 2)  # [N, heads, tokens, w / heads]


def place_loss(
    places: Places, mask: Tensor, question: Tensor, begins: Tensor, occurrence: Tensor, num_questions: int
) -> tuple[Tensor, Tensor]:
    """How well the places of answers are found.

    An answer may stand at several places, and only some of them say what was asked: any will do as its beginning, and
    tokens count as its own as far as their place is thought to be the one.

    Args:
        places: of pairs of a question and a document.
        mask: `[pairs, T]`, True for tokens.
        question: number of each pair's question `[pairs]`; the documents of a question compete.
        begins: `[pairs, T]`, True where the answer begins; at least one a question.
        occurrence: `[pairs, T]`, of tokens that belong to an answer the index where it begins, -1 elsewhere.
        num_questions: of all pairs.

    Returns:
        Loss of each question: the cross-entropy of its answer's beginning, and a tenth of the binary cross-entropy of
        what belongs to it; and whether the likeliest beginning is right, both `[questions]`.
    """
    scores = places.begins.float().masked_fill(~mask, float("-inf"))
    best = _max_by_question(scores, question, num_questions)
    weights = (scores - best.detach()[question].unsqueeze(1)).exp()
    total = _sum_by_question(weights, question, num_questions)
    right = _sum_by_question(weights * begins, question, num_questions).clamp_min(1e-12)
    share = (weights * begins / right[question].unsqueeze(1)).detach()  # of each place among the answer's
    belongs = occurrence >= 0
    counted = torch.where(belongs, share.gather(1, occurrence.clamp_min(0)), 1.0) * mask
    belong_loss = F.binary_cross_entropy_with_logits(
        places.belongs.float(), belongs.float(), weight=counted, reduction="none"
    )
    best_right = _max_by_question(scores.masked_fill(~begins, float("-inf")), question, num_questions)
    loss = total.log() - right.log() + 0.1 * _sum_by_question(belong_loss, question, num_questions)
    return loss, best_right >= best


def _sum_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_zeros(num_questions).index_add(0, question, x.sum(-1))


def _max_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_full((num_questions,), float("-inf")).scatter_reduce(0, question, x.amax(-1), "amax")
