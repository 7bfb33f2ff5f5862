"""The hypernetwork of Doc-to-LoRA: features of a context -> LoRA weights of every block of the base.

A Perceiver (`lorify.hypernets.doc_to_lora.resampler`) turns the features into one vector for each (block,) module and
rank. A residual MLP and a linear head, both with separate weights for each block, turn each vector into a row of `A`
and a row of `B`:

    z = perceiver(features)                              z[block, module, rank]  in R^d
    z = z + norm(W2_l silu(W1_l norm(z)))                residual MLP of block l
    [a; b] = H_(l,m) z / |z|                             head of block l and module m
    A[rank] = s^A_(l,m,rank) a,   B[rank] = s^B_(l,m,rank) b

The update of a linear layer is `y += scaling * sum_rank B[rank] <A[rank], x>`. In addition there is a learned bias
adapter of the same rank, which every adapter includes once.

There are two ways to handle the base's blocks. With per-layer activations, the Perceiver reads the features of each
block separately, with the same weights, and returns the vectors of that block. Otherwise it reads one sequence of
features and returns the vectors of all blocks. The former runs on all blocks in one batch, or block by block with
bounded memory.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3, and github.com/SakanaAI/doc-to-lora. Checkpoints of that code give
the same weights here (`lorify.hypernets.doc_to_lora.importer`).

Shape letters: N contexts, T tokens, L adapted blocks, M modules, r rank, f feature size, d latent size, w largest sum
of a module's input and output features.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.resampler import EXPANSION, AttentionSizes, Perceiver

MIN_NORM = 1e-12
HEAD_STD = 0.5
BIAS_STD = 0.2
_NOT_DECAYED = re.compile(r"(^|[._])(norm|bias|scale|latents)([._]|$)")


@dataclass(frozen=True)
class GeneratedLora:
    """LoRA weights of one module in all blocks, without the scaling.

    Attributes:
        A: `[N, L, r, in]`.
        B: `[N, L, r, out]`.
    """

    A: Tensor
    B: Tensor


class PerceiverHypernetwork(nn.Module):
    """Maps features of contexts to LoRA weights; see the module docstring."""

    def __init__(self, config: PerceiverConfig) -> None:
        """Initialize as published: generated `B` and the bias adapter's `B` are zero."""
        super().__init__()
        self.config = config
        L, M, r, d = config.num_layers, len(config.modules), config.rank, config.latent_size
        self.perceiver = Perceiver(
            AttentionSizes(d, config.num_heads, config.num_kv_heads, config.head_size),
            feature_size=config.encoder.feature_size,
            num_latents=config.num_latents,
            num_outputs=M * r * (1 if config.per_layer else L),
            num_blocks=config.num_blocks,
            self_attentions=config.self_attentions,
            shared_weights=config.shared_weights,
        )
        mlp_layers = L if config.mlp_per_layer else 1
        self.mlps = nn.ModuleList(LayerwiseMlp(mlp_layers, d) for _ in range(config.residual_mlps))
        self.head = nn.Parameter(torch.randn(L, M, d, config.widest) * HEAD_STD / (d + config.widest * r) ** 0.5)
        for name, scale in (("scale_A", torch.ones), ("scale_B", torch.zeros)):
            self.register_parameter(name, nn.Parameter(scale(M, L, r, 1)))
        self.scale_A: nn.Parameter
        self.scale_B: nn.Parameter
        if config.bias_adapter:
            self.bias_A = nn.ParameterDict(
                {m.name: torch.randn(L, r, m.in_features) * BIAS_STD / (m.in_features * r) ** 0.5
                 for m in config.modules}
            )  # fmt: skip
            self.bias_B = nn.ParameterDict({m.name: torch.zeros(L, r, m.out_features) for m in config.modules})

    @property
    def num_parameters(self) -> int:
        """Number of learned parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def is_decayed(self, name: str) -> bool:
        """Return whether weight decay applies to a parameter: not to norms, biases, scales and latents."""
        return not _NOT_DECAYED.search(name)

    def forward(
        self, features: Tensor, mask: Tensor, positions: Tensor | None = None, *, iterative: bool = False
    ) -> dict[str, GeneratedLora]:
        """Generate LoRA weights for each context.

        Args:
            features: `[N, L, T, f]` with per-layer activations, else `[N, T, f]`; with `positions` one sequence
                `[L, tokens, f]` or `[tokens, f]`.
            mask: `[N, T]`, True for real tokens.
            positions: `[N, T]`, the tokens of each context in the one sequence.
            iterative: work block by block instead of on all in one batch: the same numbers with less memory. Without
                per-layer activations this applies only after the Perceiver.
        """
        written, first = [], 0
        for vectors in self._vectors(features, mask, positions, iterative=iterative):
            # In float32, because rows are divided by their norm; the Perceiver may run in a lower precision.
            with torch.autocast(features.device.type, enabled=False):
                written.append(self._write(vectors, slice(first, first + vectors.shape[1])))
            first += vectors.shape[1]
        return {
            module.name: GeneratedLora(*(torch.cat([block[i][which] for block in written], dim=1) for which in (0, 1)))
            for i, module in enumerate(self.config.modules)
        }

    def bias(self) -> Mapping[str, GeneratedLora] | None:
        """Return the learned bias adapter, with N = 1; None if there is none."""
        if not self.config.bias_adapter:
            return None
        return {
            m.name: GeneratedLora(self.bias_A[m.name][None], self.bias_B[m.name][None]) for m in self.config.modules
        }

    def _vectors(
        self, features: Tensor, mask: Tensor, positions: Tensor | None, *, iterative: bool
    ) -> Iterable[Tensor]:
        """The Perceiver's vectors `[N, blocks, M, r, d]` in float32, for all blocks at once or one by one."""
        config = self.config
        N, L, M, r = len(mask), config.num_layers, len(config.modules), config.rank
        if not config.per_layer:
            vectors = self.perceiver(features, mask, positions).float().view(N, L, M, r, -1)
            return vectors.split(1 if iterative else L, dim=1)
        if iterative:
            by_block = features.unbind(1 if positions is None else 0)
            return (self.perceiver(x, mask, positions).float().view(N, 1, M, r, -1) for x in by_block)
        if positions is None:
            flat, of_blocks = features.transpose(0, 1).flatten(0, 1), None  # [L*N, T, f]
        else:
            flat = features.flatten(0, 1)  # [L*tokens, f]
            first = torch.arange(L, device=positions.device)[:, None, None] * features.shape[1]
            of_blocks = (first + positions).flatten(0, 1)  # [L*N, T]
        vectors = self.perceiver(flat, mask.repeat(L, 1), of_blocks).float()
        return [vectors.view(L, N, M, r, -1).transpose(0, 1)]

    def _write(self, vectors: Tensor, blocks: slice) -> list[tuple[Tensor, Tensor]]:
        """`A` and `B` of each module in some blocks, from vectors `[N, blocks, M, r, d]`."""
        N, _, M, r, d = vectors.shape
        for mlp in self.mlps:
            vectors = mlp(vectors, blocks)
        vectors = vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(MIN_NORM)
        rows = vectors.permute(1, 2, 0, 3, 4).reshape(-1, N * r, d)  # [blocks*M, N*r, d]
        flat = torch.bmm(rows, self.head[blocks].reshape(-1, d, self.config.widest))
        flat = flat.view(-1, M, N, r, self.config.widest).permute(2, 1, 0, 3, 4)  # [N, M, blocks, r, w]
        return [
            (
                flat[:, i, :, :, : m.in_features] * self.scale_A[i, blocks],
                flat[:, i, :, :, m.in_features : m.in_features + m.out_features] * self.scale_B[i, blocks],
            )
            for i, m in enumerate(self.config.modules)
        ]


class LayerwiseMlp(nn.Module):
    """Residual MLP with separate weights for each block of the base, or one set for all; all blocks share its norms."""

    def __init__(self, num_layers: int, size: int) -> None:
        """Draw random weights as published: one set as `nn.Linear` does, sets for several blocks as einops' `EinMix`.

        Both are uniform in `+-bound / sqrt(inputs)`, where the bound of `EinMix` is `sqrt(3)` for weights.
        """
        super().__init__()
        hidden = EXPANSION * size
        bound = 3**0.5 if num_layers > 1 else 1.0
        self.norm_in = nn.LayerNorm(size)
        self.weight_in = nn.Parameter(torch.empty(num_layers, size, hidden).uniform_(-1, 1) * bound / size**0.5)
        self.bias_in = nn.Parameter(torch.empty(num_layers, hidden).uniform_(-1, 1) / size**0.5)
        self.weight_out = nn.Parameter(torch.empty(num_layers, hidden, size).uniform_(-1, 1) * bound / hidden**0.5)
        self.bias_out = nn.Parameter(torch.empty(num_layers, size).uniform_(-1, 1) / hidden**0.5)
        self.norm_out = nn.LayerNorm(size)

    def forward(self, x: Tensor, blocks: slice) -> Tensor:
        """Transform `x [N, blocks, M, r, d]` of the given blocks; the shape is unchanged."""
        N, L, M, r, d = x.shape
        own = blocks if len(self.weight_in) > 1 else slice(None)

        def weights(name: str) -> Tensor:
            chosen = getattr(self, name)[own]
            return chosen.expand(L, *chosen.shape[1:])

        rows = self.norm_in(x).transpose(0, 1).reshape(L, N * M * r, d)
        hidden = F.silu(torch.baddbmm(weights("bias_in").unsqueeze(1), rows, weights("weight_in")))
        rows = torch.baddbmm(weights("bias_out").unsqueeze(1), hidden, weights("weight_out"))
        return x + self.norm_out(rows.view(L, N, M, r, d).transpose(0, 1))
