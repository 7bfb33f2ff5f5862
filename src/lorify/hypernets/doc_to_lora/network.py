"""The hypernetwork of Doc-to-LoRA: features of a context -> LoRA weights of every block of the base.

A Perceiver (`lorify.hypernets.doc_to_lora.resampler`) turns the features into one vector for each (block,) module and
rank, a residual MLP and a linear head, both with weights of their own for each block, turn each vector into a row of
`A` and a row of `B`:

    z = perceiver(features)                              z[block, module, rank]  in R^d
    z = z + norm(W2_l silu(W1_l norm(z)))                residual MLP of block l
    [a; b] = H_(l,m) z / |z|                             head of block l and module m
    A[rank] = s^A_(l,m,rank) a,   B[rank] = s^B_(l,m,rank) b

The update of a linear layer is `y += scaling * sum_rank B[rank] <A[rank], x>`. Beside what is generated there is a
learned bias adapter, of the same rank, that every adapter carries once.

Two ways to see the base's blocks: with per-layer activations, the Perceiver reads the features of each block apart,
with the same weights, and gives the vectors of that block; otherwise it reads one sequence of features and gives the
vectors of all blocks. The former works on all blocks in one batch, or block by block with bounded memory.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3, and github.com/SakanaAI/doc-to-lora, whose checkpoints mean the same
here (`lorify.hypernets.doc_to_lora.importer`).

Shape letters: N contexts, T tokens, L adapted blocks, M modules, r rank, f feature size, d latent size, w widest
input plus output of a module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from lorify.contexts.encoders import EncoderKind
from lorify.contexts.patches import PatchGrid
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.doc_to_lora.resampler import EXPANSION, Perceiver

SHORTEST = 1e-12
HEAD_SPREAD = 0.5
BIAS_SPREAD = 0.2
_NOT_DECAYED = re.compile(r"(^|[._])(norm|bias|scale|latents)([._]|$)")


class ContextEncoderConfig(BaseModel):
    """The frozen model whose hidden states are the features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: EncoderKind = Field(default="per_layer_activations", description="Which of its hidden states are read.")
    model_name: str | None = Field(default=None, description="Hub id or folder of the encoder; null: the base itself.")
    num_layers: int = Field(
        ge=0, description="Blocks that are run (early exit), or blocks whose inputs are read (per-layer activations)."
    )
    feature_size: int = Field(gt=0, description="Width of its hidden states.")
    patches: PatchGrid | None = Field(default=None, description="How images are cut, if patches are the features.")
    quantized: bool = Field(default=False, description="It was in 4 bits (NF4) in training; on CUDA it is loaded so.")
    prefix_ids: tuple[int, ...] = Field(default=(), description="Token ids before each chunk of a context.")
    suffix_ids: tuple[int, ...] = Field(default=(), description="Token ids after each chunk of a context.")

    @model_validator(mode="after")
    def _has_its_grid(self) -> ContextEncoderConfig:
        if (self.kind == "patches") != (self.patches is not None):
            raise ValueError("an encoder of kind patches, and no other, says how images are cut (patches)")
        if self.patches is not None and self.patches.feature_size != self.feature_size:
            raise ValueError(f"feature_size is {self.feature_size}, but a patch has {self.patches.feature_size}")
        return self


class PerceiverConfig(BaseModel):
    """Shape of a Perceiver hypernetwork, the base it is for and the encoder it reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["perceiver"] = Field(default="perceiver", description="Which hypernetwork this is.")
    base_name: str = Field(description="Base model it was meta-trained on.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    encoder: ContextEncoderConfig = Field(description="The context encoder.")
    num_layers: int = Field(gt=0, description="Adapted blocks of the base.")
    first_layer: int = Field(default=0, ge=0, description="First of them.")
    modules: tuple[AdaptedModule, ...] = Field(min_length=1, description="Adapted linear layers, in order of name.")
    rank: int = Field(default=8, gt=0, description="Rank that one chunk adds, and rank of the bias adapter.")
    scaling: float = Field(gt=0, description="What an update is multiplied by.")
    latent_size: int = Field(default=512, gt=0, description="Width of the Perceiver.")
    num_latents: int = Field(default=8, gt=0, description="Latents that read the features.")
    num_blocks: int = Field(default=8, gt=0, description="Cross-attention blocks before the decoder.")
    self_attentions: int = Field(default=0, ge=0, description="Self-attentions after each cross-attention.")
    shared_weights: bool = Field(default=False, description="Later blocks share their weights.")
    num_heads: int = Field(default=16, gt=0, description="Query heads of each attention.")
    num_kv_heads: int = Field(default=4, gt=0, description="Key and value heads of each attention.")
    head_size: int = Field(default=128, gt=0, description="Width of a head.")
    residual_mlps: int = Field(default=1, ge=0, description="Residual MLPs between Perceiver and head.")
    mlp_per_layer: bool = Field(default=True, description="They have weights of their own for each block.")
    bias_adapter: bool = Field(default=True, description="Adapters carry a learned part that no context changes.")
    system_turn: bool = Field(
        default=False, description="Chats begin with a system turn, an empty one where nothing is said in it."
    )
    chunk_tokens: int = Field(gt=1, description="Longest chunk of a document, in tokens, affixes left out.")

    @model_validator(mode="after")
    def _fits_together(self) -> PerceiverConfig:
        names = [module.name for module in self.modules]
        if names != sorted(set(names)):
            raise ValueError(f"modules are {', '.join(names)}; expected distinct ones in order of name")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads {self.num_heads} is no multiple of num_kv_heads {self.num_kv_heads}")
        if self.per_layer and self.encoder.num_layers != self.num_layers:
            raise ValueError(
                f"the encoder gives features of {self.encoder.num_layers} blocks, but {self.num_layers} are adapted"
            )
        return self

    @property
    def per_layer(self) -> bool:
        """Whether each block is generated from features of its own."""
        return self.encoder.kind == "per_layer_activations"

    @property
    def layers(self) -> range:
        """The adapted blocks of the base."""
        return range(self.first_layer, self.first_layer + self.num_layers)

    @property
    def widest(self) -> int:
        """Largest sum of input and output features of an adapted module."""
        return max(module.in_features + module.out_features for module in self.modules)


@dataclass(frozen=True)
class Generated:
    """LoRA weights of one module name in all blocks, without the scaling.

    Attributes:
        A: `[N, L, r, d_in]`.
        B: `[N, L, r, d_out]`.
    """

    A: Tensor
    B: Tensor


class PerceiverHypernetwork(nn.Module):
    """Features of contexts -> LoRA weights. See the module's docstring."""

    def __init__(self, config: PerceiverConfig) -> None:
        """Initial weights as published: generated `B` and the bias adapter's `B` are zero."""
        super().__init__()
        self.config = config
        L, M, r, d = config.num_layers, len(config.modules), config.rank, config.latent_size
        self.perceiver = Perceiver(
            feature_size=config.encoder.feature_size,
            size=d,
            num_latents=config.num_latents,
            num_outputs=M * r * (1 if config.per_layer else L),
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_size=config.head_size,
            num_blocks=config.num_blocks,
            self_attentions=config.self_attentions,
            shared_weights=config.shared_weights,
        )
        mlp_layers = L if config.mlp_per_layer else 1
        self.mlps = nn.ModuleList(LayerwiseMlp(mlp_layers, d) for _ in range(config.residual_mlps))
        self.head = nn.Parameter(torch.randn(L, M, d, config.widest) * HEAD_SPREAD / (d + config.widest * r) ** 0.5)
        for name, scale in (("scale_A", torch.ones), ("scale_B", torch.zeros)):
            self.register_parameter(name, nn.Parameter(scale(M, L, r, 1)))
        self.scale_A: nn.Parameter
        self.scale_B: nn.Parameter
        if config.bias_adapter:
            self.bias_A = nn.ParameterDict(
                {m.name: torch.randn(L, r, m.in_features) * BIAS_SPREAD / (m.in_features * r) ** 0.5
                 for m in config.modules}
            )  # fmt: skip
            self.bias_B = nn.ParameterDict({m.name: torch.zeros(L, r, m.out_features) for m in config.modules})

    @property
    def num_parameters(self) -> int:
        """How many numbers are learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    def is_decayed(self, name: str) -> bool:
        """Whether weight decay is for a parameter: not for norms, biases, the bias adapter, scales and latents."""
        return not _NOT_DECAYED.search(name)

    def forward(
        self, features: Tensor, mask: Tensor, places: Tensor | None = None, *, iterative: bool = False
    ) -> dict[str, Generated]:
        """LoRA weights for each context.

        Args:
            features: `[N, L, T, f]` with per-layer activations, else `[N, T, f]`.
            mask: `[N, T]`, True for real tokens.
            places: None; or, where the features are one sequence `[L, tokens, f]` or `[tokens, f]`, the places in it
                of each context's tokens `[N, T]`.
            iterative: block after block instead of all in one batch: the same numbers with less memory. Without
                per-layer activations only what comes after the Perceiver is done block by block.
        """
        config = self.config
        N, L, M, r = len(mask), config.num_layers, len(config.modules), config.rank
        if not config.per_layer:
            embedding = self.perceiver(features, mask, places).float().view(N, L, M, r, -1)
            parts = embedding.split(1 if iterative else L, dim=1)
        elif iterative:
            by_block = features.unbind(1 if places is None else 0)
            parts = (self.perceiver(x, mask, places).float().view(N, 1, M, r, -1) for x in by_block)
        else:
            if places is None:
                flat, of_blocks = features.transpose(0, 1).flatten(0, 1), None  # [L*N, T, f]
            else:
                flat = features.flatten(0, 1)  # [L*tokens, f]
                first = torch.arange(L, device=places.device)[:, None, None] * features.shape[1]
                of_blocks = (first + places).flatten(0, 1)  # [L*N, T]
            embedding = self.perceiver(flat, mask.repeat(L, 1), of_blocks).float()
            parts = [embedding.view(L, N, M, r, -1).transpose(0, 1)]
        written, first = [], 0
        for part in parts:
            # In float32, as the rows are divided by their length; the Perceiver above may work in less.
            with torch.autocast(features.device.type, enabled=False):
                written.append(self._write(part, slice(first, first + part.shape[1])))
            first += part.shape[1]
        return {
            module.name: Generated(*(torch.cat([block[i][which] for block in written], dim=1) for which in (0, 1)))
            for i, module in enumerate(config.modules)
        }

    def bias(self) -> Mapping[str, Generated] | None:
        """The learned bias adapter, with N = 1; None if there is none."""
        if not self.config.bias_adapter:
            return None
        return {m.name: Generated(self.bias_A[m.name][None], self.bias_B[m.name][None]) for m in self.config.modules}

    def _write(self, embedding: Tensor, blocks: slice) -> list[tuple[Tensor, Tensor]]:
        """`A` and `B` of each module in some blocks, from vectors `[N, blocks, M, r, d]`."""
        N, _, M, r, d = embedding.shape
        for mlp in self.mlps:
            embedding = mlp(embedding, blocks)
        embedding = embedding / embedding.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
        rows = embedding.permute(1, 2, 0, 3, 4).reshape(-1, N * r, d)  # [blocks*M, N*r, d]
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
    """Residual MLP with weights for each block of the base, or one set for all; its norms are shared by all."""

    def __init__(self, num_layers: int, size: int) -> None:
        """Random weights, as those of `nn.Linear`."""
        super().__init__()
        hidden = EXPANSION * size
        self.norm_in = nn.LayerNorm(size)
        self.weight_in = nn.Parameter(torch.empty(num_layers, size, hidden).uniform_(-1, 1) / size**0.5)
        self.bias_in = nn.Parameter(torch.empty(num_layers, hidden).uniform_(-1, 1) / size**0.5)
        self.weight_out = nn.Parameter(torch.empty(num_layers, hidden, size).uniform_(-1, 1) / hidden**0.5)
        self.bias_out = nn.Parameter(torch.empty(num_layers, size).uniform_(-1, 1) / hidden**0.5)
        self.norm_out = nn.LayerNorm(size)

    def forward(self, x: Tensor, blocks: slice) -> Tensor:
        """`x [N, blocks, M, r, d]`, of the given blocks -> the same shape."""
        N, L, M, r, d = x.shape
        mine = blocks if len(self.weight_in) > 1 else slice(None)

        def weights(name: str) -> Tensor:
            chosen = getattr(self, name)[mine]
            return chosen.expand(L, *chosen.shape[1:])

        rows = self.norm_in(x).transpose(0, 1).reshape(L, N * M * r, d)
        hidden = F.silu(torch.baddbmm(weights("bias_in").unsqueeze(1), rows, weights("weight_in")))
        rows = torch.baddbmm(weights("bias_out").unsqueeze(1), hidden, weights("weight_out"))
        return x + self.norm_out(rows.view(L, N, M, r, d).transpose(0, 1))
