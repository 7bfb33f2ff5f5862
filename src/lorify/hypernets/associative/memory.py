"""Statistics of an associative memory, and the ridge regression that turns them into LoRA matrices.

Shape letters: L adapted blocks, N chunks or contexts, T tokens, r rank of the memory, d hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lorify.base.precision import widest_float

ROUNDING = 1e-7
"""Relative rounding error of stored statistics; the ridge has to be larger."""


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of chunks or documents, which can be added.

    Attributes:
        S: `[L, N, r, r]`, weighted sum of key outer products.
        M: `[L, N, r, d]`, weighted sum of key-value outer products.
    """

    S: Tensor
    M: Tensor

    def __add__(self, other: Statistics) -> Statistics:
        """Add the statistics of other tokens."""
        return Statistics(self.S + other.S, self.M + other.M)

    def widened(self) -> Statistics:
        """Convert to the widest dtype of the device."""
        wide = widest_float(self.S.device)
        return Statistics(self.S.to(wide), self.M.to(wide))

    def scaled(self, scale: float) -> Statistics:
        """Multiply the weight of every token by `scale`."""
        return Statistics(self.S * scale, self.M * scale)

    def sum(self, groups: Tensor, num_groups: int) -> Statistics:
        """Add up the entries of each group.

        Args:
            groups: group of each entry `[N]`.
            num_groups: number of groups.
        """

        def add(x: Tensor) -> Tensor:
            return x.new_zeros(x.shape[0], num_groups, *x.shape[2:]).index_add(1, groups, x)

        return Statistics(add(self.S), add(self.M))


@dataclass(frozen=True)
class TokenMemory:
    """Keys, values and weights of the tokens of some chunks, in float32.

    Attributes:
        keys: `[L, N, T, r]`, of length one.
        values: `[L, N, T, d]`.
        weights: `[L, N, T]`, zero for a token without a next one.
    """

    keys: Tensor
    values: Tensor
    weights: Tensor

    @classmethod
    def concatenated(cls, parts: Sequence[TokenMemory], dim: int) -> TokenMemory:
        """Join memories along their chunks (`dim=1`) or their tokens (`dim=2`)."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts], dim=dim) for field in fields(cls)))

    def of_chunk(self, chunk: int, tokens: Tensor) -> TokenMemory:
        """Take tokens of one chunk, given by a mask `[T]` or indices; the result has one chunk."""
        picked = (x[:, chunk, tokens] for x in (self.keys, self.values, self.weights))
        return TokenMemory(*(x.unsqueeze(1) for x in picked))

    def statistics(self, precision: torch.dtype = torch.float32) -> Statistics:
        """Compute the statistics of each chunk.

        Args:
            precision: dtype of `S`. A chunk that is repeated hundreds of times repeats its rounding error, and in
                float32 the sum may no longer be positive definite.
        """
        keys = self.keys.to(precision)
        weighted = (keys * self.weights.unsqueeze(-1).to(precision)).transpose(2, 3)  # [L, N, r, T]
        return Statistics(weighted @ keys, weighted.to(self.values.dtype) @ self.values)


def factorize_ridge(S: Tensor, log_lambda: Tensor) -> Tensor:
    """Compute the Cholesky factor of `S + lambda I`.

    Args:
        S: `[L, N, r, r]`.
        log_lambda: logarithm of the ridge of each block `[L]`.

    Returns:
        `[L, N, r, r]`, in the dtype of `S`.
    """
    L, N, r, _ = S.shape
    rounding = ROUNDING * S.diagonal(dim1=-2, dim2=-1).sum(-1)  # [L, N]
    ridge = (log_lambda.to(S.dtype).exp().view(L, 1) + rounding).unsqueeze(-1).expand(L, N, r)
    return torch.linalg.cholesky(S + torch.diag_embed(ridge))


def solve_chosen_tokens(
    inverse: Tensor, memory: TokenMemory, factors: Tensor, min_factor: Tensor, *, scale: Tensor
) -> Tensor:
    """Solve the ridge regression for a few chosen tokens, given the inverse of all tokens' contribution to `S`.

    With the keys `K [T, r]` of the chosen tokens, their extra weights `W` above `min_factor`, and the inverse `P`, the
    solution for `min_factor S + K^T W K` needs only T equations, by the Woodbury identity:

        (min_factor S + lambda + K^T W K)^-1 K^T = ((I + K P K^T W)^-1 K P)^T

    Args:
        inverse: `(min_factor S + lambda)^-1` `[L, N, r, r]`.
        memory: the chosen tokens.
        factors: weight of each chosen token, relative to its weight in `memory` `[N, T]`, at most 1.
        min_factor: relative weight of all other tokens in `S` `[N]`; they contribute nothing to `M`.
        scale: multiplies the solution `[L, 1, 1, 1]`.

    Returns:
        `[L, N, r, d]`.
    """
    keys = memory.keys  # K
    extra_weights = memory.weights * (factors - min_factor.unsqueeze(1)).clamp_min(0)  # W [L, N, T]
    projected = keys @ inverse  # K P [L, N, T, r]
    gram = projected @ keys.transpose(2, 3) * extra_weights.unsqueeze(2)  # [L, N, T, T]
    gains = torch.linalg.solve(torch.eye(gram.shape[-1]).to(gram) + gram, projected).transpose(2, 3)  # [L, N, r, T]
    values = memory.values * (memory.weights * factors).unsqueeze(-1)  # [L, N, T, d]
    return (scale * gains) @ values
