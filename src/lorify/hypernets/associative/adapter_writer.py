"""Write adapters: from statistics to LoRA matrices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.adapters import LoraPair
from lorify.adapters.pairs import Key, PairShape, RebuiltWeights, RecentPairs
from lorify.base.precision import widest_float
from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, address_adapters

MEMORY_IMPORTANCE = 3.0
"""How much more the rows of the memory count than the static ones when the rank of an adapter is reduced."""
MIN_EIGENVALUE_SHARE = 1e-6
"""Directions with a smaller share of the largest eigenvalue are rounding noise of float32."""


@dataclass(frozen=True)
class AdapterWriter:
    """Writes the adapters of a hypernetwork.

    Attributes:
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        dtype: dtype of `A`, the same as the base's, which multiplies with it.
        recent: the pairs of the most recently rebuilt adapters.
    """

    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    dtype: torch.dtype
    recent: RecentPairs = field(default_factory=RecentPairs, init=False, repr=False, compare=False)

    @cached_property
    @torch.no_grad()
    def _exact_A(self) -> Tensor:
        """`A [L, r, f]` of all adapters, in float32."""
        return self.hypernetwork.lora_A()

    @cached_property
    def _lora_A(self) -> Tensor:
        return self._exact_A.to(self.dtype)

    @torch.no_grad()
    def solve(self, documents: Sequence[Statistics]) -> Tensor:
        """Solve for `B [L, 1, r, d]` of documents, the same for all questions."""
        device = self._lora_A.device
        S = sum_documents([document.S.to(device) for document in documents])
        M = sum_documents([document.M.to(device) for document in documents])
        return self.hypernetwork.write(Statistics(S, M))

    def weights_of(self, solve: Callable[[], Tensor]) -> RebuiltWeights:
        """Return weights that are computed on first use.

        Args:
            solve: computes `B [L, 1, r, d]`.
        """
        shape = PairShape(*self._lora_A.shape[1:], d_out=self.config.hidden_size)
        shapes = {(layer, self.config.module): shape for layer in self.config.layers}
        for module in self.config.attention_modules:
            static = PairShape(self.config.attention_rank, module.input_size, module.output_size)
            shapes |= {(layer, module.name): static for layer in self.config.attention_layers}
        return RebuiltWeights(shapes, lambda: self._pairs(self._lora_A, solve()), self.recent)

    @torch.no_grad()
    def reduced_weights(self, B: Tensor, rank: int) -> tuple[dict[Key, LoraPair], float]:
        """Reduce the rank of an adapter.

        The update of a block, including static rows, is projected onto the output directions that are largest over all
        inputs: the first right singular vectors of `diag(|A_i|) B`, in which the rows of the memory count more.

        Args:
            B: `[L, 1, r, d]`, from `solve`.
            rank: rank of the projected update.

        Returns:
            The pairs, and their `lora_alpha`.
        """
        A, B = self._exact_A, B[:, 0]
        importance = A.norm(dim=-1, keepdim=True)  # [L, r, 1]
        importance[:, : self.config.rank] *= MEMORY_IMPORTANCE
        rows = importance * B
        # The first right singular vectors, from the Gram matrix: an SVD takes three times as long.
        gram = (rows @ rows.transpose(1, 2)).to(widest_float(rows.device))  # [L, r, r]
        values, vectors = torch.linalg.eigh(gram)  # ascending
        # An update of a lower rank has no further directions; normalizing their rounding noise would make it count
        # twice.
        is_real = values[:, -rank:] > MIN_EIGENVALUE_SHARE * values[:, -1:]  # [L, k]
        largest = vectors[..., -rank:].to(rows)  # [L, r, k]
        outputs = F.normalize(largest.transpose(1, 2) @ rows, dim=-1) * is_real.to(rows).unsqueeze(-1)  # [L, k, d]
        reads = outputs @ B.transpose(1, 2) @ A  # [L, k, f]
        return self._pairs(reads.to(self.dtype), outputs.to(self.dtype).unsqueeze(1)), float(reads.shape[1])

    @property
    def lora_alpha(self) -> float:
        """Numerator of the scale of all adapters: their rank, so the scale is 1."""
        return float(self._lora_A.shape[1])

    @torch.no_grad()
    def _pairs(self, A: Tensor, B: Tensor) -> dict[Key, LoraPair]:
        """Address `A [L, r, f]` and `B [L, 1, r, d]` of one context; `lora_alpha` of the pairs is r."""
        addressed = address_adapters(self.config, self.hypernetwork, A, B)
        # An adapter has one alpha, but its pairs differ in rank: the resulting scale is divided out of each pair.
        return {
            key: LoraPair(tensors.A.detach().to(self.dtype), tensors.B[0].T * (len(tensors.A) / A.shape[1]))
            for key, tensors in addressed.items()
        }


class SolvedOnce:
    """A solution that is computed on first use, after which the problem is dropped."""

    def __init__(self, solve: Callable[[], Tensor]) -> None:
        """Compute nothing yet."""
        self._solve: Callable[[], Tensor] | None = solve
        self._solution: Tensor | None = None
        self._solving = threading.Lock()

    def __call__(self) -> Tensor:
        """Return the solution."""
        with self._solving:
            if self._solve is not None:
                self._solution, self._solve = self._solve(), None
        assert self._solution is not None
        return self._solution


def sum_documents(parts: Sequence[Tensor]) -> Tensor:
    """Add up tensors of documents in float64 and in order, so that adding and removing a document leaves no trace.

    MPS has no float64, so there float32 rounding errors remain.
    """
    return torch.stack([part.to(widest_float(part.device)) for part in parts]).sum(0)
