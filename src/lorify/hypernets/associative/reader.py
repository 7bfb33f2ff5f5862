"""The reader: finds the tokens of a document that answer a question.

A memory is linear in its keys. The query at the first answer token separates relations (`is the mayor of`), but hardly
any names that the base has never seen. The question itself is known, though, so a small network can locate the answer
before the adapter is written. A document is encoded once, when it is internalized:

    x_t = BidirectionalEncoder(N(h_t), N(u_t), N(u_{t+1}))         [w], kept with the memory
    y_j = BidirectionalEncoder(N(h_j), N(u_j))                     [w], for each token of the question
    x_t <- x_t + MLP(matches_t)                                    where words of the question occur in the document
    x_t <- x_t + attention to y + gated convolution over t + MLP   three times
    begins_t, belongs_t, ends_t = linear(x_t)                      logits

`h` are the base's states at a middle block, `u` output embeddings, `N` the standardization of the hypernetwork. A token
begins an answer if the answer's first token comes next, ends it if its last token comes next, and belongs to it if any
token of the answer comes next: each token of the memory stands for the token that follows it. Readers of earlier
versions, which do not find ends, have no `ends_t`.

Shape letters: N pairs of document and question, T tokens of documents, J tokens of questions, w width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from lorify.hypernets.associative.encoder import BidirectionalEncoder, VariationalDropout

NUM_MATCH_FEATURES = 6
NUM_BLOCKS = 3
CONVOLUTION_REACH = 16
"""Tokens to either side that a block's convolution covers."""


class AnswerLogits(NamedTuple):
    """Logits of where an answer is.

    Attributes:
        begins: whether the answer begins after each token `[N, T]`.
        belongs: whether a token of the answer follows each token `[N, T]`.
        ends: whether the last token of the answer follows each token `[N, T]`; None if the reader does not find ends.
    """

    begins: Tensor
    belongs: Tensor
    ends: Tensor | None = None


class Reader(nn.Module):
    """Locates answers in documents; see the module docstring."""

    def __init__(self, *, hidden_size: int, width: int, finds_ends: bool = True, dropout: float = 0.0) -> None:
        """Draw random initial weights.

        Args:
            hidden_size: width of the base's hidden states.
            width: width of the reader.
            finds_ends: whether the reader also finds where an answer ends.
            dropout: dropout probability of the inputs and of each residual branch, in training.
        """
        super().__init__()
        self.document = BidirectionalEncoder(input_size=3 * hidden_size, width=width, dropout=dropout)
        self.question = BidirectionalEncoder(input_size=2 * hidden_size, width=width, num_layers=1, dropout=dropout)
        self.matches = nn.Sequential(nn.Linear(NUM_MATCH_FEATURES, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(NUM_BLOCKS))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 2)
        self.out_ends = nn.Linear(width, 1) if finds_ends else None

    def forward(
        self, documents: Tensor, mask: Tensor, questions: Tensor, question_mask: Tensor, matches: Tensor
    ) -> AnswerLogits:
        """Locate the answer to each question in one document.

        Args:
            documents: `[N, T, w]`, from `document`.
            mask: `[N, T]`, True for tokens.
            questions: `[N, J, w]`, from `question`.
            question_mask: `[N, J]`, True for tokens of the question.
            matches: `[N, T, NUM_MATCH_FEATURES]`, from `match_features` of
                `lorify.hypernets.associative.questions.word_matches`.
        """
        x = documents + self.matches(matches)
        for block in self.blocks:
            x = block(x, mask, questions, question_mask)
        x = self.norm(x)
        begins, belongs = self.out(x).unbind(-1)
        return AnswerLogits(begins, belongs, None if self.out_ends is None else self.out_ends(x).squeeze(-1))


class _Block(nn.Module):
    """Cross-attention to the question, then a gated convolution, then an MLP."""

    NUM_HEADS = 4

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = VariationalDropout(dropout)
        self.norm_question = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attended = nn.Linear(width, width)
        self.norm_near = nn.LayerNorm(width)
        self.near_gate = nn.Linear(width, 2 * width)
        self.near = nn.Conv1d(width, width, 2 * CONVOLUTION_REACH + 1, padding=CONVOLUTION_REACH, groups=width)
        self.near_out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor, questions: Tensor, question_mask: Tensor) -> Tensor:
        """Map `x [N, T, w]` to `[N, T, w]`."""
        key, value = self.key_value(questions).chunk(2, dim=-1)  # each [N, J, w]
        query = self._split_heads(self.query(self.norm_question(x)))
        attended = F.scaled_dot_product_attention(
            query, self._split_heads(key), self._split_heads(value), attn_mask=question_mask[:, None, None, :]
        )
        x = x + self.dropout(self.attended(attended.transpose(1, 2).flatten(2)))
        near, gate = self.near_gate(self.norm_near(x)).chunk(2, dim=-1)
        near = self.near((near * mask.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2)
        x = x + self.dropout(self.near_out(F.silu(near) * gate))
        return x + self.dropout(self.down(F.gelu(self.up(self.norm_mlp(x)))))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.NUM_HEADS, -1)).transpose(1, 2)  # [N, heads, tokens, w / heads]
