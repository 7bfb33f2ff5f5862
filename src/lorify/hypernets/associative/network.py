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

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.contexts.features import Features
from lorify.hypernets.associative.encoder import Surroundings
from lorify.hypernets.associative.reader import Reader

MAX_LOG_GATE = 3.0
ROUNDING = 1e-7


class ReadingModule(BaseModel):
    """A linear layer with a static part in each block that has one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the linear layer, such as `q_proj`.")
    input_size: int = Field(gt=0, description="Its input width.")
    output_size: int = Field(gt=0, description="Its output width.")


class AssociativeConfig(BaseModel):
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
    reader_width: int = Field(
        0, ge=0, multiple_of=4, description="Width of the reader, which focuses an adapter on a question; 0: without."
    )

    @property
    def middle(self) -> int:
        """The adapted block whose input says what is read: index in `layers`."""
        return len(self.layers) // 2


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

    def statistics(self, precision: torch.dtype = torch.float32) -> Statistics:
        """Statistics of each chunk.

        Args:
            precision: of `S`. Where the same chunk comes hundreds of times, so does its rounding, and the sum may no
                longer be positive definite.
        """
        keys = self.keys.to(precision)
        weighted = (keys * self.weights.unsqueeze(-1).to(precision)).transpose(2, 3)  # [L, N, r, T]
        return Statistics(weighted @ keys, weighted.to(self.values.dtype) @ self.values)


class AssociativeHypernetwork(nn.Module):
    """Features of a context -> memory of its tokens -> statistics -> LoRA tensors. See the module's docstring."""

    def __init__(self, config: AssociativeConfig) -> None:
        """Random initial weights; call `calibrate` with the base's activation scales before training."""
        super().__init__()
        L, d, f = len(config.layers), config.hidden_size, config.input_size
        r, w, bias_rank = config.rank, config.width, config.bias_rank
        self.middle = config.middle
        self.key_in = nn.Parameter(torch.randn(L, d, w) / d**0.5)
        self.key_bias = nn.Parameter(torch.zeros(L, 1, r))
        self.key_out = nn.Parameter(torch.randn(L, w, r) * (0.1 / w**0.5))
        self.surroundings = Surroundings(input_size=d, width=w)
        self.key_surroundings = nn.Parameter(torch.zeros(L, w, w))
        self.gate = nn.Parameter(torch.zeros(L, w, 1))
        self.gate_bias = nn.Parameter(torch.zeros(L, 1, 1))
        self.value_in = nn.Parameter(torch.randn(L, 2 * d, w) / (2 * d) ** 0.5)
        self.value_out = nn.Parameter(torch.randn(L, w, d) * (0.1 / w**0.5))
        self.value_skip = nn.Parameter(torch.ones(L, 1, d))
        self.reader = Reader(hidden_size=d, width=config.reader_width) if config.reader_width else None
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
        assert features.inputs is not None
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
        assert features.inputs is not None
        L, N, T, d = features.states.shape
        h = self._normed_states(features.states, slice(None)).reshape(L, N * T, d)
        u = self._normed_outputs(features.next_outputs).reshape(1, N * T, d)
        c = self.surroundings(h[self.middle].view(N, T, d), features.is_token).reshape(1, N * T, -1).to(h.dtype)
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

    def read_documents(self, states: Tensor, outputs: Tensor, is_token: Tensor) -> Tensor:
        """What the reader keeps of each token of some chunks `[N, T, w]`.

        Args:
            states: of the middle block `[N, T, d]`.
            outputs: output embeddings of the tokens `[N, T, d]`.
            is_token: `[N, T]`, False for padding.
        """
        assert self.reader is not None
        outputs = self._normed_outputs(outputs)
        states = self._normed_states(states, self.middle)
        return self.reader.document(torch.cat([states, outputs, outputs.roll(-1, dims=1)], dim=-1), is_token)

    def read_questions(self, states: Tensor, outputs: Tensor, is_token: Tensor) -> Tensor:
        """What the reader is asked `[N, J, w]`, from the same of questions."""
        assert self.reader is not None
        states = self._normed_states(states, self.middle)
        return self.reader.question(torch.cat([states, self._normed_outputs(outputs)], dim=-1), is_token)

    def _normed_states(self, states: Tensor, layers: slice | int) -> Tensor:
        """States at some of the adapted blocks `[..., N, T, d]`, standardized."""
        mean, scale = self.state_mean[layers].unsqueeze(-2), self.state_scale[layers].unsqueeze(-2)  # [..., 1, 1, d]
        h = F.layer_norm(states, states.shape[-1:])
        # The first token's state is far outside what the others fill.
        return ((h - mean.to(h.dtype)) * scale.to(h.dtype)).clamp(-8, 8)

    def _normed_outputs(self, outputs: Tensor) -> Tensor:
        """Output embeddings `[N, T, d]`, standardized."""
        return (outputs - self.next_mean.to(outputs.dtype)) * self.next_scale.to(outputs.dtype)

    def queries(self, inputs: Tensor) -> Tensor:
        """What the adapter's `A` reads from inputs of the adapted module: `[L, tokens, f]` -> `[L, tokens, r]`."""
        A = self.query / self.input_rms.view(-1, 1, 1)
        return torch.bmm(inputs, A.transpose(1, 2).to(inputs.dtype))

    def shared_A(self) -> Tensor:
        """`A [L, r + bias_rank, f]`, the same for all contexts."""
        return torch.cat([self.query, self.bias_A], dim=1) / self.input_rms.view(-1, 1, 1)

    def write(self, statistics: Statistics) -> Tensor:
        """Solve for the adapters: `B [L, N, r + bias_rank, d]`, scaling included."""
        factor = self._factorized(statistics.S)
        solved = torch.cholesky_solve(statistics.M.to(factor.dtype), factor).float()
        return self._with_bias(self._output_scale() * solved)

    def rest_inverse(self, S: Tensor, least: Tensor) -> Tensor:
        """What `write_focused` needs of documents, whatever is asked about them: `(least S + lambda)^-1`.

        Args:
            S: of all tokens `[L, N, r, r]`.
            least: how much each token counts that is not chosen `[N]`.

        Returns:
            `[L, N, r, r]`, in float32: what is left out counts little, so that no eigenvalue is far from the others.
        """
        return torch.cholesky_inverse(self._factorized(least.view(-1, 1, 1) * S)).float()

    def write_focused(
        self, inverse: Tensor, memory: TokenMemory, factors: Tensor, least: Tensor, rest: Tensor | None = None
    ) -> Tensor:
        """Solve for adapters that say what some of the tokens say; as `write`, at a fraction of the cost.

        With the chosen keys `K [T, r]`, how much more than `least` they count `W` and `P` the inverse, the solution for
        `least S + K^T W K` is, by Woodbury's identity, that of T equations:

            (least S + lambda + K^T W K)^-1 K^T = ((I + K P K^T W)^-1 K P)^T

        Args:
            inverse: from `rest_inverse` `[L, N, r, r]`.
            memory: the chosen tokens.
            factors: how much each of them counts `[N, T]`, at most 1.
            least: how much every other token counts in `S` `[N]`; what it says is left out.
            rest: `M` of what is said besides `[L, N, r, d]`.
        """
        keys = memory.keys  # K
        louder = memory.weights * (factors - least.unsqueeze(1)).clamp_min(0)  # W [L, N, T]
        reached = keys @ inverse  # K P [L, N, T, r]
        among = reached @ keys.transpose(2, 3) * louder.unsqueeze(2)
        told = torch.linalg.solve(torch.eye(among.shape[-1]).to(among) + among, reached).transpose(2, 3)
        said = memory.values * (memory.weights * factors).unsqueeze(-1)  # [L, N, T, d]
        scale = self._output_scale()
        written = (scale * told) @ said  # [L, N, r, d]
        if rest is not None:
            rest = rest.to(inverse.dtype)
            written = written + scale * (inverse @ rest - told @ (louder.unsqueeze(-1) * (reached @ rest)))
        return self._with_bias(written)

    def _factorized(self, S: Tensor) -> Tensor:
        """The Cholesky factor of `S + lambda` `[L, N, r, r]`."""
        # With thousands of chunks the largest and smallest eigenvalue of S differ by many orders. Training has few, and
        # the gradient of a solution in float64 would take longer than all else there.
        S = S.to(torch.float32 if self.training else torch.float64)
        L, N, r, _ = S.shape
        # Statistics that were stored in float32 are exact to 6e-8 of their largest entry: the ridge has to be above.
        rounding = ROUNDING * S.diagonal(dim1=-2, dim2=-1).sum(-1)  # [L, N]
        ridge = (self.log_lambda.to(S.dtype).exp().view(L, 1) + rounding).unsqueeze(-1).expand(L, N, r)
        return torch.linalg.cholesky(S + torch.diag_embed(ridge))

    def _output_scale(self) -> Tensor:
        """What a solution is multiplied with `[L, 1, 1, 1]`."""
        return (self.log_scale.exp() * self.output_rms).view(-1, 1, 1, 1)

    def _with_bias(self, written: Tensor) -> Tensor:
        """What `write` returns, from what depends on the documents `[L, N, r, d]`."""
        L, N, _, d = written.shape
        bias = (self.bias_B * self.output_rms.view(L, 1, 1)).unsqueeze(1).expand(L, N, -1, d)
        return torch.cat([written, bias], dim=2)


def lora_batch(config: AssociativeConfig, hypernetwork: AssociativeHypernetwork, A: Tensor, B: Tensor) -> LoraBatch:
    """Address written adapters and the static reading part to the base's modules, one row per context.

    Args:
        config: shape of the hypernetwork.
        hypernetwork: the hypernetwork that wrote them.
        A: `[L, r, f]`, from `shared_A`.
        B: `[L, N, r, d]`, from `write`.
    """
    # Unbound, not indexed: the gradient of each index would be as large as all layers together.
    written = {
        (layer, config.module): LoraTensors(*tensors)
        for layer, *tensors in zip(config.layers, A.unbind(0), B.unbind(0), strict=True)
    }
    for module in config.reading_modules:
        parts = zip(
            hypernetwork.reading_A[module.name].unbind(0), hypernetwork.reading_B[module.name].unsqueeze(1), strict=True
        )
        written |= {
            (layer, module.name): LoraTensors(*tensors)
            for layer, tensors in zip(config.reading_layers, parts, strict=True)
        }
    return written
