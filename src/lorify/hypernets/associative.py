"""The associative hypernetwork: a document becomes an associative memory, written as LoRA in closed form.

For each adapted block `l` the low-rank update of `down_proj` has a learned `A_l` shared by all contexts; only `B_l` is
generated. Each token `t` of the context gives a key and a value,

    k_t = normalize(A_l m_t + W_k gelu(P_k N(h_t) + R_l c_t) + b_k)    [r]
    v_t = a * N(u_{t+1}) + W_v gelu(P_v [N(h_t); N(u_{t+1})])          [d]
    g_t = exp(gate score), bounded above by e^3                        gate

where `h_t` is the base's hidden state at that block, `m_t` what enters its `down_proj` and `u_{t+1}` the next token's
output embedding. `A_l` reads `m` when the adapter is used, so `A_l m_t` makes a key of what the query would be at that
place: an untrained memory already continues a text it has read (a random `A_l` of rank 64 finds 6 to 8 of 10 next
tokens of a partly given answer in SmolLM2), and `a * N(u)` says the token that came next. Training adds what cannot
come by itself: from a question to the first token of its answer. For that `c_t`, a small bidirectional transformer over
the chunk's states at a middle block, tells the key what comes after `t`: in `Ada Smith leads the choir`, all that a
question could match comes after the answer, and the base reads from left to right.

`N` standardizes each dimension: a base's hidden states share a large common part (their cosine is 0.5 to 0.65 in
SmolLM2), which would make all keys alike at the start of training. A token whose key is repeated inside its chunk
shares its weight with the repetitions:

    w_t = g_t / (1 + sum_{s != t} g_s (k_t . k_s)^4)

The statistics `S = sum w k k^T` and `M = sum w k v^T` of chunks and documents add; the adapter is the ridge solution
`B_l = s_l (S + lambda_l I)^-1 M`. Besides this memory an adapter has two small static parts, the same for all
contexts: one on `down_proj` for the form of answers, and the reading part on the attention's projections of blocks
below, which brings the words of a question together where its answer begins.
This hypernetwork is lorify's own; the names are those of Doc-to-LoRA (arXiv 2602.15902).

Shape letters: L adapted blocks, N chunks or contexts, T tokens, d hidden size, f input size of the adapted module,
r rank of the memory, w width, R blocks with a reading part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.contexts.features import Features

MAX_LOG_GATE = 3.0
ROUNDING = 1e-7


class ReadingModule(PydanticModel):
    """A linear layer with a static part in each block that has one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the linear layer, such as `q_proj`.")
    input_size: int = Field(gt=0, description="Its input width.")
    output_size: int = Field(gt=0, description="Its output width.")


class AssociativeConfig(PydanticModel):
    """Shape of an associative hypernetwork and the base it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field("associative", pattern="^associative$", description="Which hypernetwork this is.")
    base_name: str = Field(description="Base model it was meta-trained on.")
    base_digest: str = Field(description="SHA-256 of that base's weights.")
    hidden_size: int = Field(gt=0, description="Width of the base's hidden states and of the module's output.")
    input_size: int = Field(gt=0, description="Input width of the adapted module.")
    layers: tuple[int, ...] = Field(min_length=1, description="Adapted blocks of the base.")
    module: str = Field("down_proj", description="Adapted linear layer of each block.")
    rank: int = Field(128, gt=0, description="Rank of the memory: number of key dimensions.")
    width: int = Field(192, gt=0, multiple_of=4, description="Hidden width of the key and value networks.")
    bias_rank: int = Field(16, ge=0, description="Rank of the static part that shapes answers.")
    reading_layers: tuple[int, ...] = Field((), description="Blocks with a reading part.")
    reading_modules: tuple[ReadingModule, ...] = Field((), description="Its linear layers.")
    reading_rank: int = Field(16, gt=0, description="Rank of the reading part.")
    chunk_tokens: int = Field(256, gt=1, description="Longest chunk of a document, in tokens.")


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of chunks or documents; they add.

    Attributes:
        S: `[L, N, r, r]`, weighted sum of key outer products.
        M: `[L, N, r, d]`, weighted sum of key-value outer products.
    """

    S: Tensor
    M: Tensor

    def __add__(self, other: Statistics) -> Statistics:
        """Statistics of both together."""
        return Statistics(self.S + other.S, self.M + other.M)

    def sum(self, groups: Tensor, num_groups: int) -> Statistics:
        """Add up the entries of each group; `groups` `[N]` holds the group of each entry."""

        def add(x: Tensor) -> Tensor:
            return x.new_zeros(x.shape[0], num_groups, *x.shape[2:]).index_add(1, groups, x)

        return Statistics(add(self.S), add(self.M))


@dataclass(frozen=True)
class TokenMemory:
    """What each token of some chunks puts into the memory, in float32.

    Attributes:
        keys: `[L, N, T, r]`, of length one.
        values: `[L, N, T, d]`.
        weights: `[L, N, T]`, zero where a token has no next one.
    """

    keys: Tensor
    values: Tensor
    weights: Tensor

    def statistics(self) -> Statistics:
        """Statistics of each chunk."""
        weighted = (self.keys * self.weights.unsqueeze(-1)).transpose(2, 3)  # [L, N, r, T]
        return Statistics(weighted @ self.keys, weighted @ self.values)


class AssociativeHypernetwork(nn.Module):
    """Features of a context -> memory of its tokens -> statistics -> LoRA tensors. See the module's docstring."""

    def __init__(self, config: AssociativeConfig) -> None:
        """Random initial weights; call `calibrate` with the base's activation scales before training."""
        super().__init__()
        L, d, f = len(config.layers), config.hidden_size, config.input_size
        r, w, bias_rank = config.rank, config.width, config.bias_rank
        self.surroundings_index = L // 2
        self.key_in = nn.Parameter(torch.randn(L, d, w) / d**0.5)
        self.key_bias = nn.Parameter(torch.zeros(L, 1, r))
        self.key_out = nn.Parameter(torch.randn(L, w, r) * (0.1 / w**0.5))
        self.surroundings = Surroundings(hidden_size=d, width=w)
        self.key_surroundings = nn.Parameter(torch.zeros(L, w, w))
        self.gate = nn.Parameter(torch.zeros(L, w, 1))
        self.gate_bias = nn.Parameter(torch.zeros(L, 1, 1))
        self.value_in = nn.Parameter(torch.randn(L, 2 * d, w) / (2 * d) ** 0.5)
        self.value_out = nn.Parameter(torch.randn(L, w, d) * (0.1 / w**0.5))
        self.value_skip = nn.Parameter(torch.ones(L, 1, d))
        self.query = nn.Parameter(torch.randn(L, r, f) / f**0.5)
        self.log_lambda = nn.Parameter(torch.full((L,), -1.0))
        self.log_scale = nn.Parameter(torch.full((L,), -4.0))
        self.bias_A = nn.Parameter(torch.randn(L, bias_rank, f) / f**0.5)
        self.bias_B = nn.Parameter(torch.zeros(L, bias_rank, d))
        R, reading_rank = len(config.reading_layers), config.reading_rank
        self.reading_A = nn.ParameterDict(
            {m.name: torch.randn(R, reading_rank, m.input_size) / m.input_size**0.5 for m in config.reading_modules}
        )
        self.reading_B = nn.ParameterDict(
            {m.name: torch.zeros(R, reading_rank, m.output_size) for m in config.reading_modules}
        )
        # Mean and inverse deviation of each dimension of the features.
        self.register_buffer("state_mean", torch.zeros(L, 1, d))
        self.register_buffer("state_scale", torch.ones(L, 1, d))
        self.register_buffer("next_mean", torch.zeros(1, 1, d))
        self.register_buffer("next_scale", torch.ones(1, 1, d))
        self.state_mean: Tensor
        self.state_scale: Tensor
        self.next_mean: Tensor
        self.next_scale: Tensor
        # Root mean square of what enters and leaves each adapted module: keeps all learned matrices of order one.
        self.register_buffer("input_rms", torch.ones(L))
        self.register_buffer("output_rms", torch.ones(L))
        self.input_rms: Tensor
        self.output_rms: Tensor

    @torch.no_grad()
    def calibrate(self, features: Features, input_rms: Tensor, output_rms: Tensor) -> None:
        """Fit the fixed statistics, and the keys' bias, to a sample, before training.

        Args:
            features: some chunks of typical text.
            input_rms: root mean square of what enters each adapted module `[L]`.
            output_rms: root mean square of what leaves it `[L]`.
        """
        self.input_rms.copy_(input_rms)
        self.output_rms.copy_(output_rms)
        d = features.states.shape[-1]
        known = features.mask.clone()
        known[:, 0] = False  # the first token's state is an outlier: every other token looks at it
        states = F.layer_norm(features.states.float(), (d,))[:, known]  # [L, tokens, d]
        following = features.next_outputs.float()[known].unsqueeze(0)
        self.state_mean.copy_(states.mean(1, keepdim=True))
        self.state_scale.copy_(1 / states.std(1, keepdim=True).clamp_min(1e-3))
        self.next_mean.copy_(following.mean(1, keepdim=True))
        self.next_scale.copy_(1 / following.std(1, keepdim=True).clamp_min(1e-3))
        normed = (states - self.state_mean) * self.state_scale
        keys = torch.bmm(F.gelu(torch.bmm(normed, self.key_in)), self.key_out)
        keys += self.queries(features.inputs[:, known].float())
        self.key_bias.copy_(-keys.mean(1, keepdim=True))
        spread = following.std(1, keepdim=True)
        self.value_skip.copy_((spread / spread.square().mean().sqrt()).expand_as(self.value_skip))

    def forward(self, features: Features) -> TokenMemory:
        """What each token puts into the memory.

        Args:
            features: states `[L, N, T, d]`, inputs `[L, N, T, f]`, next outputs `[N, T, d]`, mask
                `[N, T]`.
        """
        L, N, T, d = features.states.shape
        h = F.layer_norm(features.states, (d,)).reshape(L, N * T, d)
        # The first token's state is far outside what the others fill.
        h = ((h - self.state_mean.to(h.dtype)) * self.state_scale.to(h.dtype)).clamp(-8, 8)
        u = features.next_outputs.reshape(1, N * T, d)
        u = (u - self.next_mean.to(h.dtype)) * self.next_scale.to(h.dtype)
        middle = h[self.surroundings_index].view(N, T, d)
        c = self.surroundings(middle, features.mask).reshape(1, N * T, -1).to(h.dtype)
        key_hidden = torch.bmm(h, self.key_in.to(h.dtype)) + c @ self.key_surroundings.to(h.dtype)
        key_hidden = F.gelu(key_hidden)  # [L, N*T, w]
        keys = torch.bmm(key_hidden, self.key_out.to(h.dtype))
        keys = keys + self.queries(features.inputs.reshape(L, N * T, -1))
        score = torch.bmm(key_hidden, self.gate.to(h.dtype)).view(L * N, T)
        value_in = self.value_in.to(h.dtype)
        value_hidden = F.gelu(torch.bmm(h, value_in[:, :d]) + u @ value_in[:, d:])  # [L, N*T, w]
        values = torch.bmm(value_hidden, self.value_out.to(h.dtype)) + u * self.value_skip.to(h.dtype)
        # Float32 from here: the statistics are solved against, and many are added up.
        with torch.autocast(h.device.type, enabled=False):
            keys = F.normalize(keys.float() + self.key_bias, dim=-1).view(L * N, T, -1)
            score = score.float() + self.gate_bias.view(L, 1).repeat_interleave(N, 0)
            gates = torch.exp(MAX_LOG_GATE - F.softplus(MAX_LOG_GATE - score))
            gates = gates * features.mask.repeat(L, 1)  # [L*N, T]
            similarity = torch.bmm(keys, keys.transpose(1, 2)).square().square()  # [L*N, T, T]
            repeated = torch.bmm(similarity, gates.unsqueeze(-1)).squeeze(-1) - gates
            weights = gates / (1 + repeated.clamp_min(0))
        return TokenMemory(keys.view(L, N, T, -1), values.float().view(L, N, T, d), weights.view(L, N, T))

    def queries(self, inputs: Tensor) -> Tensor:
        """What the adapter's `A` reads from inputs of the adapted module: `[L, tokens, f]` -> `[L, tokens, r]`."""
        A = self.query / self.input_rms.view(-1, 1, 1)
        return torch.bmm(inputs, A.transpose(1, 2).to(inputs.dtype))

    def write(self, statistics: Statistics) -> tuple[Tensor, Tensor]:
        """Solve for the adapters.

        Returns:
            `A [L, r + bias_rank, f]`, shared by all contexts, and `B [L, N, r + bias_rank, d]`, scaling included.
        """
        # With thousands of chunks the largest and smallest eigenvalue of S differ by many orders. Training has few, and
        # the gradient of a solution in float64 would take longer than all else there.
        precision = torch.float32 if self.training else torch.float64
        S, M = statistics.S.to(precision), statistics.M.to(precision)
        L, N, r, d = M.shape
        # Statistics that were stored in float32 are exact to 6e-8 of their largest entry: the ridge has to be above.
        rounding = ROUNDING * S.diagonal(dim1=-2, dim2=-1).sum(-1)  # [L, N]
        ridge = (self.log_lambda.to(precision).exp().view(L, 1) + rounding).unsqueeze(-1).expand(L, N, r)
        solved = torch.cholesky_solve(M, torch.linalg.cholesky(S + torch.diag_embed(ridge))).float()  # [L, N, r, d]
        B = (self.log_scale.exp() * self.output_rms).view(L, 1, 1, 1) * solved
        bias = (self.bias_B * self.output_rms.view(L, 1, 1)).unsqueeze(1).expand(L, N, -1, d)
        A = torch.cat([self.query, self.bias_A], dim=1) / self.input_rms.view(L, 1, 1)
        return A, torch.cat([B, bias], dim=2)


class Surroundings(nn.Module):
    """What a chunk says around each token: a small bidirectional transformer with learned relative positions."""

    NUM_LAYERS = 2
    NUM_HEADS = 4
    FARTHEST = 48  # tokens farther apart than this share their position bias

    def __init__(self, *, hidden_size: int, width: int) -> None:
        """Random initial weights."""
        super().__init__()
        self.enter = nn.Linear(hidden_size, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm_attention": nn.LayerNorm(width),
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm_mlp": nn.LayerNorm(width),
                    "up": nn.Linear(width, 2 * width),
                    "down": nn.Linear(2 * width, width),
                }
            )
            for _ in range(self.NUM_LAYERS)
        )
        self.position_bias = nn.Parameter(torch.zeros(self.NUM_LAYERS, self.NUM_HEADS, 2 * self.FARTHEST + 1))
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """`states [N, T, d]`, `mask [N, T]` (True where a token has a next one) -> `[N, T, w]`."""
        N, T, _ = states.shape
        x = self.enter(states)
        width, heads = x.shape[-1], self.NUM_HEADS
        is_token = mask | F.pad(mask, (1, -1))  # the last token of a chunk has no next one but can be seen
        place = torch.arange(T, device=x.device)
        distance = (place[None, :] - place[:, None]).clamp(-self.FARTHEST, self.FARTHEST) + self.FARTHEST  # [T, T]
        hidden = torch.zeros(N, 1, 1, T, device=x.device).masked_fill(~is_token[:, None, None, :], float("-inf"))
        for block, bias in zip(self.blocks, self.position_bias, strict=True):
            parts = cast(nn.ModuleDict, block)
            qkv = parts["qkv"](parts["norm_attention"](x)).view(N, T, 3, heads, width // heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, T, w / heads]
            seen = (bias[:, distance] + hidden).to(q.dtype)  # [N, heads, T, T]
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            x = x + parts["out"](attended.transpose(1, 2).reshape(N, T, width))
            x = x + parts["down"](F.gelu(parts["up"](parts["norm_mlp"](x))))
        return self.norm(x)


def lora_batch(config: AssociativeConfig, hypernet: AssociativeHypernetwork, A: Tensor, B: Tensor) -> LoraBatch:
    """Address written adapters and the static reading part to the base's modules, one row per context.

    Args:
        config: shape of the hypernetwork.
        hypernet: the hypernetwork that wrote them.
        A: `[L, r, f]`, shared by all rows.
        B: `[L, N, r, d]`.
    """
    # Unbound, not indexed: the gradient of each index would be as large as all layers together.
    written = {
        (layer, config.module): LoraTensors(*tensors)
        for layer, *tensors in zip(config.layers, A.unbind(0), B.unbind(0), strict=True)
    }
    for module in config.reading_modules:
        parts = zip(
            hypernet.reading_A[module.name].unbind(0), hypernet.reading_B[module.name].unsqueeze(1), strict=True
        )
        written |= {
            (layer, module.name): LoraTensors(*tensors)
            for layer, tensors in zip(config.reading_layers, parts, strict=True)
        }
    return written
